"""Cross-stitch networks: where the mixtures start, what they compute, and who learns from whom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from auxseg import assembly
from auxseg.api import configure
from auxseg.models import MultiTaskModel
from auxseg.models.architectures.cross_stitch import CrossStitch, Stitch
from auxseg.models.architectures.hard_sharing import HardSharing
from auxseg.models.encoders.vgg16 import VGG16
from auxseg.types import ClassNames

Make = Callable[..., MultiTaskModel]
Adapt = Callable[[MultiTaskModel], MultiTaskModel]

NAMES = ("segmentation", "classification", "bbox", "edges")
#: Channels of the five blocks at the width of these tests: two of them give fewer than 8 groups.
WIDTH, CHANNELS = 0.0625, (4, 8, 16, 32, 32)


def random_image(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def randomise(model: CrossStitch) -> None:
    """Mixtures far from the identity, other ones in every block, group and pair of tasks."""
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for stitch in model.stitches:
            stitch.mixture.copy_(torch.randn(stitch.mixture.shape, generator=draw))


def isolate(model: CrossStitch) -> None:
    """Mixtures that leave every task its own features alone."""
    with torch.no_grad():
        for stitch in model.stitches:
            stitch.mixture.copy_(torch.eye(len(model.heads)).expand_as(stitch.mixture))


@pytest.fixture
def network(make_model: Make, trained_norms: Adapt) -> CrossStitch:
    """Four tasks, double precision, batch norms with statistics of their own, in evaluation."""
    model = trained_norms(make_model("cross-stitch", NAMES, width=WIDTH)).double()
    assert isinstance(model, CrossStitch)
    return model


# -- the mixture -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tasks", "other"), [(2, 0.1), (3, 0.05), (4, 0.1 / 3), (6, 0.02)], ids=lambda value: f"{value}"
)
def test_a_task_starts_with_nine_tenths_of_its_own_features(tasks: int, other: float) -> None:
    mixture = Stitch(tasks, 16).mixture
    assert mixture.shape == (8, tasks, tasks)
    for matrix in mixture:
        for row in range(tasks):
            for column in range(tasks):
                expected = 0.9 if row == column else other
                assert matrix[row, column].item() == pytest.approx(expected, abs=1e-7)
    assert mixture.sum(dim=2).flatten().tolist() == pytest.approx([1.0] * 8 * tasks)


def test_one_task_alone_starts_with_the_identity() -> None:
    stitch = Stitch(1, 16)
    assert torch.equal(stitch.mixture, torch.ones(8, 1, 1))
    features = random_image(1, 2, 16, 3, 5).float()
    assert torch.equal(stitch(features), features)


@pytest.mark.parametrize(
    ("channels", "groups"),
    [
        (16, [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11], [12, 13], [14, 15]]),
        (8, [[0], [1], [2], [3], [4], [5], [6], [7]]),
        (5, [[0], [1], [2], [3], [4]]),
        (13, [[0, 1], [2, 3], [4], [5, 6], [7, 8], [9], [10, 11], [12]]),
    ],
)
def test_each_group_of_neighbouring_channels_has_a_mixture_of_its_own(
    channels: int, groups: list[list[int]]
) -> None:
    """f_t = Σ_s A[g]_{t,s} p_s, entry by entry, with the groups written down by hand."""
    draw = torch.Generator().manual_seed(0)
    stitch = Stitch(3, channels).double()
    assert stitch.mixture.shape == (len(groups), 3, 3)
    with torch.no_grad():
        stitch.mixture.copy_(torch.randn(stitch.mixture.shape, generator=draw))
    features = torch.randn(3, 2, channels, 4, 6, generator=draw, dtype=torch.float64)
    with torch.no_grad():
        mixed = stitch(features)
    assert mixed.shape == features.shape
    for number, group in enumerate(groups):
        for channel in group:
            for task in range(3):
                expected = torch.zeros(2, 4, 6, dtype=torch.float64)
                for source in range(3):
                    share = stitch.mixture[number, task, source].item()
                    expected += share * features[source, :, channel]
                torch.testing.assert_close(mixed[task, :, channel], expected)


def test_the_groups_of_channels_are_no_part_of_the_weights(network: CrossStitch) -> None:
    saved = {name for name in network.state_dict() if name.startswith("stitches")}
    assert saved == {f"stitches.{number}.mixture" for number in range(5)}


# -- the network -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_without_an_exchange_every_task_is_a_network_of_its_own(
    name: str, network: CrossStitch, make_model: Make
) -> None:
    isolate(network)
    alone = make_model("hard-sharing", (name,), width=WIDTH, seed=7).double().eval()
    assert isinstance(alone, HardSharing)
    number = NAMES.index(name)
    alone.encoder.load_state_dict(network.encoders[number].state_dict())
    alone.heads[name].load_state_dict(network.heads[name].state_dict())
    if name in network.decoders:
        alone.decoders[name].load_state_dict(network.decoders[name].state_dict())
    image = random_image(2, 3, 50, 70)
    with torch.no_grad():
        found, expected = network(image)[name], alone(image)[name]
    assert float(expected.std()) > 0
    torch.testing.assert_close(found, expected)


def test_the_whole_network_is_the_published_equation(network: CrossStitch) -> None:
    """Layer by layer from the weights, channels and tasks in plain loops, own indices unpooled."""
    randomise(network)
    image = random_image(2, 3, 32, 64)
    with torch.no_grad():
        found, expected = network(image), by_the_equation(network, image)
    for name in NAMES:
        assert float(expected[name].std()) > 0, name
        torch.testing.assert_close(found[name], expected[name])


def by_the_equation(network: CrossStitch, image: Tensor) -> dict[str, Tensor]:
    """The outputs, with none of the network's own ``forward`` but those of its heads."""
    state = network.state_dict()
    mean, std = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    prepared = torch.stack(
        [(image[:, i] - m) / s for i, (m, s) in enumerate(zip(mean, std, strict=True))], dim=1
    )
    trunks = ["encoder", *(f"further.of_{name}" for name in NAMES[1:])]
    features = [prepared] * 4
    indices: list[list[Tensor]] = [[] for _ in NAMES]
    for block, channels in enumerate(CHANNELS):
        pooled = []
        for task, trunk in enumerate(trunks):
            outcome = convolved(state, f"{trunk}.blocks.{block}", features[task])
            down, places = F.max_pool2d(outcome, 2, return_indices=True)
            pooled.append(down)
            indices[task].append(places)
        mixture = state[f"stitches.{block}.mixture"]
        per_group = channels // len(mixture)
        mixed = [torch.empty_like(one) for one in pooled]
        for task in range(4):
            for channel in range(channels):
                row = mixture[channel // per_group, task]
                mixed[task][:, channel] = sum(row[s] * pooled[s][:, channel] for s in range(4))
        features = mixed
    for task, name in enumerate(NAMES):
        if f"decoders.{name}.blocks.0.0.0.weight" in state:
            for block in range(5):
                up = F.max_unpool2d(features[task], indices[task].pop(), 2)
                features[task] = convolved(state, f"decoders.{name}.blocks.{block}", up)
    return {name: network.heads[name](features[task]) for task, name in enumerate(NAMES)}


def convolved(state: dict[str, Tensor], block: str, features: Tensor) -> Tensor:
    """All convolutions of one block with their batch norms' running statistics, and ReLUs."""
    layer = 0
    while f"{block}.{layer}.0.weight" in state:
        name = f"{block}.{layer}"
        features = F.conv2d(features, state[f"{name}.0.weight"], padding=1)
        norm = [state[f"{name}.1.{part}"] for part in ("running_mean", "running_var")]
        affine = [state[f"{name}.1.{part}"] for part in ("weight", "bias")]
        features = F.relu(F.batch_norm(features, *norm, *affine))
        layer += 1
    return features


def test_decoders_unpool_with_the_indices_of_their_own_encoder(
    network: CrossStitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the two dense tasks, of which one stands first and one last."""
    randomise(network)
    made: dict[int, list[Tensor]] = {}
    used: dict[str, list[Tensor]] = {}
    stage = VGG16.stage

    def recording(encoder: VGG16, number: int, features: Tensor) -> object:
        level = stage(encoder, number, features)
        made.setdefault(id(encoder), []).append(level.indices)
        return level

    monkeypatch.setattr(VGG16, "stage", recording)
    for name, decoder in network.decoders.items():
        decoder.register_forward_pre_hook(
            lambda module, inputs, name=name: used.update(
                {name: [level.indices for level in inputs[1]]}
            )
        )
    with torch.no_grad():
        network(random_image(1, 3, 64, 64))
    assert used.keys() == {"segmentation", "edges"}
    for name, indices in used.items():
        own, *others = (
            made[id(network.encoders[number])]
            for number in sorted(range(4), key=lambda number: NAMES[number] != name)
        )
        assert all(torch.equal(a, b) for a, b in zip(indices, own, strict=True))
        for other in others:
            assert not any(torch.equal(a, b) for a, b in zip(indices, other, strict=True))


@pytest.mark.parametrize("names", [("bbox",), ("segmentation", "bbox"), ("edges",)])
def test_some_outputs_alone_are_what_they_are_beside_the_others(
    names: tuple[str, ...], network: CrossStitch
) -> None:
    randomise(network)
    image = random_image(1, 3, 40, 40)
    with torch.no_grad():
        every, some = network(image), network(image, names)
    assert tuple(some) == names
    assert all(torch.equal(some[name], every[name]) for name in names)


# -- learning ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_encoder_learns_from_every_task(name: str, make_model: Make) -> None:
    model = make_model("cross-stitch", NAMES, width=WIDTH).train()
    assert isinstance(model, CrossStitch)
    assert len(model.encoders) == 4
    output = model(random_image(4, 3, 64, 64).float())[name]
    (
        output * torch.randn(output.shape, generator=torch.Generator().manual_seed(3))
    ).sum().backward()
    for encoder in model.encoders:
        for parameter in encoder.parameters():
            assert parameter.grad is not None
            assert float(parameter.grad.abs().sum()) > 0
    row = NAMES.index(name)
    for number, stitch in enumerate(model.stitches):
        gradient = stitch.mixture.grad
        assert gradient is not None
        assert float(gradient[:, row].abs().min()) > 0
        if number == 4:  # what other tasks take after the last block is no business of this one
            others = [other for other in range(4) if other != row]
            assert float(gradient[:, others].abs().max()) == 0


@pytest.mark.parametrize("name", NAMES)
def test_without_an_exchange_a_task_reaches_its_own_encoder_alone(
    name: str, network: CrossStitch
) -> None:
    isolate(network)
    network(random_image(2, 3, 64, 64))[name].square().sum().backward()
    reached = [
        any(p.grad is not None and float(p.grad.abs().sum()) > 0 for p in encoder.parameters())
        for encoder in network.encoders
    ]
    assert reached == [other == name for other in NAMES]


def test_encoders_and_mixtures_are_shared_and_the_rest_is_not(network: CrossStitch) -> None:
    shared = {id(parameter) for parameter in network.shared_parameters()}
    names = {name for name, parameter in network.named_parameters() if id(parameter) in shared}
    assert {name.split(".")[0] for name in names} == {"encoder", "further", "stitches"}
    others = {name.split(".")[0] for name, _ in network.named_parameters() if name not in names}
    assert others == {"decoders", "heads"}


def test_the_encoders_of_a_fresh_network_differ(make_model: Make) -> None:
    """From equal ones the exchange would change nothing."""
    model = make_model("cross-stitch", NAMES, width=WIDTH)
    first = [encoder.layers()[0].get_parameter("0.weight") for encoder in model.encoders]
    assert not any(torch.equal(first[i], first[j]) for i in range(4) for j in range(i))


# -- pre-trained weights and grey input --------------------------------------------------------


def vgg_state(norms: bool) -> dict[str, Tensor]:
    """A VGG-16 of width 1/16 with torchvision's key names."""
    draw = torch.Generator().manual_seed(0)
    state, position, channels_in = {}, 0, 3
    for channels, depth in zip(CHANNELS, (2, 2, 3, 3, 3), strict=True):
        for _ in range(depth):
            name = f"features.{position}"
            state[f"{name}.weight"] = 0.2 * torch.randn(channels, channels_in, 3, 3, generator=draw)
            state[f"{name}.bias"] = 0.3 * torch.randn(channels, generator=draw)
            if norms:
                for part in ("weight", "bias", "running_mean", "running_var"):
                    value = 0.5 + torch.rand(channels, generator=draw)
                    state[f"features.{position + 1}.{part}"] = value
            position, channels_in = position + (3 if norms else 2), channels
        position += 1
    return state


@pytest.mark.parametrize("norms", [False, True], ids=["plain", "bn"])
def test_pretrained_weights_go_into_every_encoder(norms: bool, tmp_path: Path) -> None:
    state = vgg_state(norms)
    save_file(state, tmp_path / "vgg.safetensors")
    config = configure(
        "cross-stitch-3task",
        image_size=32,
        width=WIDTH,
        weights=str(tmp_path / "vgg.safetensors"),
        **{"data.options": {"train": 8, "val": 1, "test": 1}},
    )
    tasks = assembly.make_tasks(config, ClassNames(("background", "animal"), ("cat", "dog")))
    model = assembly.make_model(config, tasks)
    data, path = assembly.open_data(config), tmp_path / "vgg.safetensors"
    assembly.load_starting_weights(model, path, config, data, tasks)
    assert len(model.encoders) == 3
    kernels = [value for name, value in state.items() if value.ndim == 4]
    for encoder in model.encoders:
        for kernel, layer in zip(kernels, encoder.layers(), strict=True):
            assert torch.equal(layer.get_parameter("0.weight"), kernel)
    first, *others = (encoder.state_dict() for encoder in model.encoders)
    assert not torch.equal(first["blocks.0.0.1.running_mean"], torch.zeros(CHANNELS[0]))
    for other in others:  # batch norms, too
        assert all(torch.equal(other[name], first[name]) for name in first)


def test_every_encoder_reads_grey(make_model: Make) -> None:
    model = make_model("cross-stitch", NAMES, width=WIDTH, in_channels=1).train()
    outputs = model(random_image(2, 1, 40, 40).float())
    torch.stack([output.square().mean() for output in outputs.values()]).sum().backward()
    for encoder in model.encoders:
        first = encoder.layers()[0].get_parameter("0.weight")
        assert first.shape == (CHANNELS[0], 1, 3, 3)
        assert first.grad is not None
        assert float(first.grad.abs().sum()) > 0
