"""Balancers by gradients: against the publications' definitions, and on every architecture.

The oracles are written from the definitions, on explicit vectors in double precision; SciPy solves
what has no closed form.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

from auxseg.assembly import connect
from auxseg.balancing import BALANCERS, Step
from auxseg.balancing.aligned_mtl import AlignedMTL
from auxseg.balancing.cagrad import CAGrad
from auxseg.balancing.graddrop import GradDrop
from auxseg.balancing.gradients import (
    GradientBalancer,
    TorchJDBalancer,
    cosines,
    task_gradients,
)
from auxseg.balancing.imtl_g import ImtlG
from auxseg.balancing.mgda import MGDA
from auxseg.balancing.nash_mtl import NashMTL
from auxseg.balancing.pcgrad import PCGrad
from auxseg.balancing.upgrad import UPGrad
from auxseg.config import ModelConfig
from auxseg.errors import UsageError
from auxseg.models import ARCHITECTURES, MultiTaskModel
from auxseg.models.initialise import initialise
from auxseg.types import HeadSpec

WEIGHTS = {"a": 0.4, "b": 0.3, "c": 0.2, "d": 0.1}
METHODS = [name for name, cls in BALANCERS.items() if cls.BY_GRADIENTS]


def random_gradients(tasks: int, size: int, seed: int) -> np.ndarray:
    """Normal numbers, each row of another length."""
    draw = np.random.default_rng(seed)
    return draw.normal(size=(tasks, size)) * draw.uniform(0.3, 3.0, size=(tasks, 1))


def conflicting(tasks: int, size: int, seed: int) -> np.ndarray:
    """Every second row nearly the opposite of the first one."""
    rows = random_gradients(tasks, size, seed)
    rows[1::2] = -1.5 * rows[0] + 0.6 * rows[1::2]
    return rows


JACOBIANS = {
    f"{make.__name__}-{tasks}x{size}": make(tasks, size, seed)
    for make in (random_gradients, conflicting)
    for seed, (tasks, size) in enumerate([(2, 5), (3, 8), (4, 12), (3, 5)])
}


@pytest.fixture(params=JACOBIANS.values(), ids=JACOBIANS.keys())
def jacobian(request: pytest.FixtureRequest) -> np.ndarray:
    """Task gradients, float64 (T, P)."""
    return np.array(request.param)


def combined(
    balancer: GradientBalancer, jacobian: np.ndarray, dtype: torch.dtype = torch.float64
) -> tuple[np.ndarray, np.ndarray | None]:
    """The update's gradient and the rows' weights."""
    vector, weights = balancer.combine(torch.tensor(jacobian, dtype=dtype))
    assert vector.dtype == dtype
    return vector.double().numpy(), None if weights is None else weights.double().numpy()


def weighted(balancer: GradientBalancer, jacobian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same, of a method whose update is the weighted sum that it tells."""
    vector, weights = combined(balancer, jacobian)
    assert weights is not None
    assert weights.shape == (len(jacobian),)
    np.testing.assert_allclose(vector, weights @ jacobian, rtol=1e-9, atol=1e-9)
    return vector, weights


def made(name: str) -> GradientBalancer:
    balancer = BALANCERS[name](WEIGHTS)
    assert isinstance(balancer, GradientBalancer)
    return balancer


@pytest.mark.parametrize("name", METHODS)
def test_gradients_lie_in_memory_as_their_parameters_do(name: str) -> None:
    """Fused optimisers go through both as they lie, and would update other weights than meant."""

    def gradients(layout: torch.memory_format) -> list[Tensor]:
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3), nn.Conv2d(4, 5, 3)]
        shared, a, b = (layer.to(memory_format=layout) for layer in layers)  # type: ignore[call-overload]
        features = shared(torch.rand(2, 3, 9, 9))
        losses = {"a": a(features).square().mean(), "b": b(features).exp().mean()}
        made(name).backward(
            Step(
                losses=losses,
                values=losses,
                shared=list(shared.parameters()),
                specific=[*a.parameters(), *b.parameters()],
                backward=Tensor.backward,
                average=lambda tensor: tensor,
            )
        )
        for layer in layers:
            assert layer.weight.grad.stride() == layer.weight.stride()  # type: ignore[union-attr]
        return [p.grad for layer in layers for p in layer.parameters() if p.grad is not None]

    pairs = zip(gradients(torch.contiguous_format), gradients(torch.channels_last), strict=True)
    for plain, other in pairs:
        torch.testing.assert_close(other, plain)


def test_the_gradients_conflict_in_half_of_the_examples() -> None:
    for name, rows in JACOBIANS.items():
        if name.startswith("conflicting"):
            assert (rows @ rows.T).min() < 0


# -- PCGrad ---------------------------------------------------------------------------------------


def surgery(jacobian: np.ndarray) -> np.ndarray:
    """Algorithm 1 on explicit vectors, the others met in the order of torch's generator."""
    total = np.zeros(jacobian.shape[1])
    for i, row in enumerate(jacobian):
        found = row.copy()
        for j in torch.randperm(len(jacobian)).tolist():
            if j != i and found @ jacobian[j] < 0:
                found -= (found @ jacobian[j]) / (jacobian[j] @ jacobian[j]) * jacobian[j]
        total += found
    return total


@pytest.mark.parametrize("seed", range(4))
def test_pcgrad_is_the_published_surgery(jacobian: np.ndarray, seed: int) -> None:
    torch.manual_seed(seed)
    vector, _ = weighted(PCGrad(WEIGHTS), jacobian)
    torch.manual_seed(seed)
    np.testing.assert_allclose(vector, surgery(jacobian), rtol=1e-9, atol=1e-9)


def test_pcgrad_meets_the_others_in_a_random_order() -> None:
    found = set()
    for seed in range(20):
        torch.manual_seed(seed)
        found.add(combined(PCGrad(WEIGHTS), JACOBIANS["conflicting-4x12"])[0].round(9).tobytes())
    assert len(found) > 1


def test_pcgrad_without_a_conflict_is_the_sum() -> None:
    rows = np.array([[1.0, 0.5, 0.0], [0.5, 2.0, 1.0], [0.0, 0.0, 3.0]])
    vector, weights = weighted(PCGrad(WEIGHTS), rows)
    np.testing.assert_allclose(weights, 1)
    np.testing.assert_allclose(vector, [1.5, 2.5, 4])


def test_pcgrad_of_two_tasks_by_hand() -> None:
    """(1, 0) and (−1, 1): each loses its part along the other, ½ (1, 1) and (0, 1) are left."""
    vector, weights = weighted(PCGrad(WEIGHTS), np.array([[1.0, 0.0], [-1.0, 1.0]]))
    np.testing.assert_allclose(vector, [0.5, 1.5])
    np.testing.assert_allclose(weights, [2, 1.5])


# -- MGDA -----------------------------------------------------------------------------------------


def shortest(jacobian: np.ndarray) -> np.ndarray:
    """The shortest vector in the rows' convex hull: of all faces the one whose foot lies inside."""
    best = jacobian[np.argmin((jacobian**2).sum(axis=1))]
    for size in range(2, len(jacobian) + 1):
        for chosen in itertools.combinations(range(len(jacobian)), size):
            rows = jacobian[list(chosen)]
            # Lagrange: G w + λ 1 = 0, Σ w = 1.
            system = np.ones((size + 1, size + 1))
            system[:size, :size], system[size, size] = rows @ rows.T, 0
            shares = np.linalg.solve(system, np.eye(size + 1)[size])[:size]
            vector = shares @ rows
            if shares.min() >= 0 and vector @ vector < best @ best:
                best = vector
    return best


def test_the_shortest_vector_s_oracle_is_optimal(jacobian: np.ndarray) -> None:
    """No task's gradient has a smaller part along it than its own length."""
    vector = shortest(jacobian)
    assert (jacobian @ vector).min() >= vector @ vector - 1e-9


def test_mgda_finds_the_shortest_vector_of_the_hull(jacobian: np.ndarray) -> None:
    """Up to what Frank and Wolfe's method leaves after its 100 steps."""
    vector, weights = weighted(MGDA(WEIGHTS), jacobian)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    scale = np.linalg.norm(jacobian, axis=1).mean()
    assert np.linalg.norm(vector - shortest(jacobian)) < 0.05 * scale


def test_mgda_with_more_steps_comes_closer(jacobian: np.ndarray) -> None:
    vector, _ = weighted(MGDA(WEIGHTS, max_iters=1500, epsilon=1e-9), jacobian)
    scale = np.linalg.norm(jacobian, axis=1).mean()
    assert np.linalg.norm(vector - shortest(jacobian)) < 0.01 * scale


def test_mgda_by_hand() -> None:
    """Of (2, 0) and (0, 1) the foot of the perpendicular: (0.4, 0.8)."""
    vector, weights = weighted(MGDA(WEIGHTS), np.array([[2.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_allclose(vector, [0.4, 0.8], rtol=1e-6)
    np.testing.assert_allclose(weights, [0.2, 0.8], rtol=1e-6)


# -- IMTL-G ---------------------------------------------------------------------------------------


def test_imtl_g_has_equal_projections_on_every_gradient(jacobian: np.ndarray) -> None:
    vector, weights = weighted(ImtlG(WEIGHTS), jacobian)
    assert weights.sum() == pytest.approx(1)
    projections = jacobian @ vector / np.linalg.norm(jacobian, axis=1)
    np.testing.assert_allclose(projections, projections[0], rtol=1e-6)
    assert abs(projections[0]) > 1e-3


# -- CAGrad ---------------------------------------------------------------------------------------


def worst_task_dual(jacobian: np.ndarray, c: float) -> tuple[float, np.ndarray]:
    """min_w g_w·g₀ + c‖g₀‖‖g_w‖ over the simplex, and d = g₀ + c‖g₀‖ g_w / ‖g_w‖."""
    mean = jacobian.mean(axis=0)
    radius = c * np.linalg.norm(mean)

    def dual(shares: np.ndarray) -> float:
        vector = shares @ jacobian
        return float(vector @ mean + radius * np.linalg.norm(vector))

    tasks = len(jacobian)
    starts = [np.full(tasks, 1 / tasks), *(0.9 * np.eye(tasks) + 0.1 / tasks)]
    found = [
        minimize(
            dual,
            start,
            method="SLSQP",
            bounds=[(0, 1)] * tasks,
            constraints={"type": "eq", "fun": lambda shares: shares.sum() - 1},
            options={"ftol": 1e-14, "maxiter": 500},
        )
        for start in starts
    ]
    best = min(found, key=lambda result: result.fun)
    vector = best.x @ jacobian
    return best.fun, mean + radius * vector / np.linalg.norm(vector)


@pytest.mark.parametrize("c", [0.4, 0.8])
def test_cagrad_solves_the_published_problem(jacobian: np.ndarray, c: float) -> None:
    vector, _ = weighted(CAGrad(WEIGHTS, c=c), jacobian)
    value, expected = worst_task_dual(jacobian, c)
    mean = jacobian.mean(axis=0)
    scale = np.linalg.norm(mean)
    # On the ball's surface, and there the worst task improves by the value of the dual problem.
    assert np.linalg.norm(vector - mean) == pytest.approx(c * scale, rel=1e-4)
    assert (jacobian @ vector).min() == pytest.approx(value, rel=2e-3, abs=2e-3 * scale)
    np.testing.assert_allclose(vector, expected, atol=5e-4 * scale)


def test_cagrad_s_default_radius_is_0_4(jacobian: np.ndarray) -> None:
    vector, _ = weighted(CAGrad(WEIGHTS), jacobian)
    mean = jacobian.mean(axis=0)
    assert np.linalg.norm(vector - mean) == pytest.approx(0.4 * np.linalg.norm(mean), rel=1e-4)


def test_cagrad_without_a_radius_is_the_mean(jacobian: np.ndarray) -> None:
    vector, _ = weighted(CAGrad(WEIGHTS, c=0.0), jacobian)
    np.testing.assert_allclose(vector, jacobian.mean(axis=0), rtol=1e-9, atol=1e-9)


# -- Nash-MTL -------------------------------------------------------------------------------------


def test_nash_mtl_solves_the_bargaining_game(jacobian: np.ndarray) -> None:
    vector, alpha = weighted(NashMTL(WEIGHTS, max_norm=0.0), jacobian)
    assert alpha.min() > 0
    np.testing.assert_allclose(jacobian @ jacobian.T @ alpha, 1 / alpha, rtol=1e-3)
    assert np.linalg.norm(vector) == pytest.approx(math.sqrt(len(jacobian)), rel=1e-3)


def test_nash_mtl_of_two_tasks_by_hand() -> None:
    """Orthogonal gradients of lengths 2 and ½: α = 1/length."""
    rows = np.array([[2.0, 0.0], [0.0, 0.5]])
    vector, alpha = weighted(NashMTL(WEIGHTS, max_norm=0.0), rows)
    np.testing.assert_allclose(alpha, [0.5, 2], rtol=1e-5)
    np.testing.assert_allclose(vector, [1, 1], rtol=1e-5)


def test_nash_mtl_without_a_gradient_of_one_task_is_the_game_of_the_others(
    jacobian: np.ndarray,
) -> None:
    without = np.insert(jacobian, 1, 0.0, axis=0)
    vector, alpha = weighted(NashMTL(WEIGHTS), without)
    expected, others = weighted(NashMTL(WEIGHTS), jacobian)
    assert alpha[1] == 0
    np.testing.assert_allclose(np.delete(alpha, 1), others, rtol=1e-6)
    np.testing.assert_allclose(vector, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("limit", [1.0, 0.3])
def test_nash_mtl_shortens_the_update_to_its_limit(jacobian: np.ndarray, limit: float) -> None:
    free, alpha = weighted(NashMTL(WEIGHTS, max_norm=0.0), jacobian)
    vector, weights = weighted(NashMTL(WEIGHTS, max_norm=limit), jacobian)
    assert np.linalg.norm(vector) == pytest.approx(limit, rel=1e-6)
    np.testing.assert_allclose(vector, free * limit / np.linalg.norm(free), rtol=1e-6)
    np.testing.assert_allclose(weights, alpha * limit / np.linalg.norm(free), rtol=1e-6)


def test_nash_mtl_does_not_stretch_the_update(jacobian: np.ndarray) -> None:
    free, _ = weighted(NashMTL(WEIGHTS, max_norm=0.0), jacobian)
    np.testing.assert_array_equal(weighted(NashMTL(WEIGHTS, max_norm=5.0), jacobian)[0], free)


def test_nash_mtl_s_default_limit_is_one(jacobian: np.ndarray) -> None:
    assert np.linalg.norm(weighted(NashMTL(WEIGHTS), jacobian)[0]) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_nash_mtl_does_not_care_about_the_scale_of_a_loss(scale: float) -> None:
    """If L_t grows by a factor, α_t falls by it: the update stays the same."""
    for rows in JACOBIANS.values():
        other = rows.copy()
        other[0] *= scale
        expected, _ = weighted(NashMTL(WEIGHTS), rows)
        found, alpha = weighted(NashMTL(WEIGHTS, max_norm=0.0), other)
        np.testing.assert_allclose(alpha * (other @ other.T @ alpha), 1, rtol=1e-3)
        np.testing.assert_allclose(found / np.linalg.norm(found), expected, atol=1e-3)


def test_nash_mtl_works_against_no_task_where_two_nearly_cancel() -> None:
    """α > 0 whatever the gradients: a negative one would climb that task's loss."""
    draw = np.random.default_rng(0)
    for _ in range(60):
        rows = draw.normal(size=(3, 500))
        rows[1] = -rows[0] * draw.uniform(0.3, 3) + 3e-4 * rows[1]
        _, alpha = combined(NashMTL(WEIGHTS), rows, torch.float32)
        assert alpha is not None
        assert alpha.min() > 0


# -- Aligned-MTL ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["min", "median", "rmse"])
def test_aligned_mtl_is_the_mean_of_the_aligned_gradients(jacobian: np.ndarray, scale: str) -> None:
    """J = U S Vᵀ becomes σ U Vᵀ: orthogonal rows, all of length σ."""
    left, singular, right = np.linalg.svd(jacobian, full_matrices=False)
    length = {
        "min": singular.min(),
        # Of an even number the lower one of the two in the middle, as torchjd has it.
        "median": np.sort(singular)[(len(singular) - 1) // 2],
        "rmse": math.sqrt((singular**2).mean()),
    }[scale]
    aligned = length * left @ right
    np.testing.assert_allclose(aligned @ aligned.T, length**2 * np.eye(len(aligned)), atol=1e-9)
    vector, _ = weighted(AlignedMTL(WEIGHTS, scale=scale), jacobian)
    np.testing.assert_allclose(vector, aligned.mean(axis=0), rtol=1e-6, atol=1e-6)


def test_aligned_mtl_s_default_is_the_smallest(jacobian: np.ndarray) -> None:
    found, expected = (combined(b, jacobian)[0] for b in (AlignedMTL(WEIGHTS), made("aligned-mtl")))
    np.testing.assert_array_equal(found, expected)
    smallest = np.linalg.svd(jacobian, compute_uv=False).min()
    assert np.linalg.norm(found) == pytest.approx(smallest / math.sqrt(len(jacobian)), rel=1e-6)


# -- GradDrop -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_graddrop_keeps_one_sign_in_each_coordinate(jacobian: np.ndarray, seed: int) -> None:
    torch.manual_seed(seed)
    vector, weights = combined(GradDrop(WEIGHTS), jacobian)
    assert weights is None
    torch.manual_seed(seed)
    drawn = torch.rand(jacobian.shape[1], dtype=torch.float64).tolist()
    for found, column, number in zip(vector, jacobian.T, drawn, strict=True):
        positive, negative = column[column > 0].sum(), column[column < 0].sum()
        chance = positive / (positive - negative)  # ½ (1 + Σ g / Σ |g|)
        assert found == pytest.approx(positive if chance > number else negative)


# -- UPGrad ---------------------------------------------------------------------------------------


def harmless(jacobian: np.ndarray) -> np.ndarray:
    """The mean of the gradients, each moved as little as needed to where no task gets worse."""
    scale = np.linalg.norm(jacobian)
    rows = jacobian / scale
    projected = [
        minimize(
            lambda point, row=row: ((point - row) ** 2).sum(),
            row,
            jac=lambda point, row=row: 2 * (point - row),
            method="SLSQP",
            constraints={"type": "ineq", "fun": lambda point: rows @ point, "jac": lambda _: rows},
            options={"ftol": 1e-15, "maxiter": 500},
        ).x
        for row in rows
    ]
    return scale * np.mean(projected, axis=0)


def test_upgrad_is_the_mean_of_the_gradients_projected_to_the_dual_cone(
    jacobian: np.ndarray,
) -> None:
    vector, weights = weighted(UPGrad(WEIGHTS), jacobian)
    scale = np.linalg.norm(jacobian)
    np.testing.assert_allclose(vector, harmless(jacobian), atol=1e-5 * scale)
    assert (jacobian @ vector).min() >= -1e-9 * scale**2
    assert weights.min() >= 1 / len(jacobian) - 1e-9


def test_upgrad_harms_no_task_whose_gradient_is_short() -> None:
    draw = np.random.default_rng(0)
    for _ in range(30):
        rows = draw.normal(size=(3, 8)) * 10.0 ** draw.uniform(-3, 3, size=(3, 1))
        vector, _ = combined(UPGrad(WEIGHTS), rows, torch.float32)
        cosines = rows @ vector / np.linalg.norm(rows, axis=1) / np.linalg.norm(vector)
        assert cosines.min() > -1e-4


def test_upgrad_tells_the_plain_share_of_a_task_without_a_gradient() -> None:
    """Its weight acts on nothing, but it is logged."""
    draw = np.random.default_rng(0)
    balancer = UPGrad(WEIGHTS)
    for number in range(200):
        tasks = 2 + number % 3
        rows = draw.normal(size=(tasks, 5))
        rows[number % tasks] = 0
        _, weights = combined(balancer, rows, torch.float32)
        assert weights is not None
        assert weights[number % tasks] == pytest.approx(1 / tasks, rel=1e-3)


def test_upgrad_without_a_conflict_is_the_mean() -> None:
    rows = np.array([[1.0, 0.5, 0.0], [0.5, 2.0, 1.0], [0.0, 0.0, 3.0]])
    np.testing.assert_allclose(weighted(UPGrad(WEIGHTS), rows)[0], rows.mean(axis=0))


def test_upgrad_agrees_with_torchjd_s_own_solver(jacobian: np.ndarray) -> None:
    """Which is under the GPL, so it may be missing."""
    pytest.importorskip("quadprog")
    aggregation = pytest.importorskip("torchjd.aggregation")
    linalg = pytest.importorskip("torchjd.linalg")
    solver = linalg.QuadprogProjector(norm_eps=1e-12, reg_eps=1e-9)
    expected = aggregation.UPGrad(projector=solver)(torch.tensor(jacobian)).numpy()
    np.testing.assert_allclose(weighted(UPGrad(WEIGHTS), jacobian)[0], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["imtl-g", "aligned-mtl"])
def test_linearly_dependent_gradients_give_no_huge_weights(name: str) -> None:
    """Two directions and a mixture of them: rounding must not pass for a third direction."""
    draw = np.random.default_rng(0)
    for _ in range(20):
        rows = draw.normal(size=(3, 500))
        rows[2] = 0.3 * rows[0] + 0.7 * rows[1]
        expected, _ = combined(made(name), rows)
        found, weights = combined(made(name), rows, torch.float32)
        assert weights is not None
        assert abs(weights).max() < 10
        np.testing.assert_allclose(found, expected, atol=1e-3 * abs(expected).max())


# -- what all of them have to bear ----------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in METHODS if name != "graddrop"])
def test_single_precision_is_enough(name: str, jacobian: np.ndarray) -> None:
    """Training hands over float32. (GradDrop's random numbers are others then.)"""
    torch.manual_seed(0)
    expected, _ = combined(made(name), jacobian)
    torch.manual_seed(0)
    found, _ = combined(made(name), jacobian, torch.float32)
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name", [name for name in METHODS if name != "graddrop"])
def test_single_precision_is_enough_for_gradients_of_different_lengths(name: str) -> None:
    """The square of such a ratio is lost in float32, and with it the task."""
    rows = JACOBIANS["random_gradients-3x8"].copy()
    rows[0] *= 1e-4
    torch.manual_seed(0)
    expected, _ = combined(made(name), rows)
    torch.manual_seed(0)
    found, _ = combined(made(name), rows, torch.float32)
    assert np.linalg.norm(found - expected) < 1e-2 * np.linalg.norm(expected)


@pytest.mark.parametrize("scale", [1e-4, 1e4])
@pytest.mark.parametrize("name", METHODS)
def test_the_common_scale_of_the_gradients_scales_the_update_alone(name: str, scale: float) -> None:
    """Late in training gradients are small; Nash-MTL's update has one length at every scale."""
    for rows in JACOBIANS.values():
        torch.manual_seed(0)
        expected, _ = combined(made(name), rows, torch.float32)
        torch.manual_seed(0)
        found, _ = combined(made(name), scale * rows, torch.float32)
        found = found / (1 if name == "nash-mtl" else scale)
        np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


#: Where the Gram matrix is singular.
SINGULAR = {
    "parallel": [[1.0, 2.0, -1.0], [2.0, 4.0, -2.0]],
    "equal": [[1.0, 2.0, -1.0], [1.0, 2.0, -1.0], [1.0, 2.0, -1.0]],
    "opposite": [[1.0, 2.0, -1.0], [-1.0, -2.0, 1.0]],
    "one is zero": [[1.0, 2.0, -1.0], [0.0, 0.0, 0.0], [0.5, -1.0, 1.0]],
    "all are zero": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "more tasks than parameters": [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.5], [2.0, 2.0]],
}


@pytest.mark.parametrize("rows", SINGULAR.values(), ids=SINGULAR.keys())
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_dependent_gradients_give_a_finite_update(
    name: str, rows: list[list[float]], dtype: torch.dtype
) -> None:
    vector, weights = combined(made(name), np.array(rows), dtype)
    assert np.isfinite(vector).all()
    assert weights is None or np.isfinite(weights).all()
    assert np.abs(vector).max() < (100 if np.any(rows) else 1e-30)


@pytest.mark.parametrize("name", METHODS)
def test_tasks_that_agree_get_a_step_along_their_gradient(name: str) -> None:
    rows = np.array(SINGULAR["equal"])
    vector, _ = combined(made(name), rows, torch.float32)
    cosine = vector @ rows[0] / np.linalg.norm(vector) / np.linalg.norm(rows[0])
    assert cosine == pytest.approx(1, abs=1e-5)


# -- options and the missing extra ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cagrad", {"c": -0.1}),
        ("mgda", {"max_iters": 0}),
        ("mgda", {"epsilon": 0.0}),
        ("nash-mtl", {"max_norm": -1.0}),
        ("nash-mtl", {"max_norm": math.nan}),
        ("aligned-mtl", {"scale": "max"}),
    ],
)
def test_a_wrong_option_is_an_error_of_usage(name: str, options: Mapping[str, object]) -> None:
    with pytest.raises(UsageError, match=r"training\.balancer_options.*") as caught:
        BALANCERS[name](WEIGHTS, **options)  # type: ignore[arg-type]
    assert next(iter(options)) in str(caught.value)


OWN = ["nash-mtl"]


@pytest.mark.parametrize("name", [name for name in METHODS if name not in OWN])
def test_without_torchjd_the_extra_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchjd.aggregation", None)
    with pytest.raises(UsageError, match=r"auxseg\[gradients\]") as caught:
        BALANCERS[name](WEIGHTS)
    message = str(caught.value)
    assert message.startswith(f"training.balancer: {BALANCERS[name].__name__} needs")
    assert "\n" not in message


@pytest.mark.parametrize("name", [name for name in BALANCERS if name not in METHODS] + OWN)
def test_the_others_do_without_torchjd(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [module for module in sys.modules if module.split(".")[0] == "torchjd"]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, "torchjd", None)
    assert BALANCERS[name](WEIGHTS).names == tuple(WEIGHTS)


def test_without_cagrad_s_solver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cvxpy", None)
    with pytest.raises(UsageError, match=r"auxseg\[gradients\].*cvxpy"):
        CAGrad(WEIGHTS)


def test_upgrad_does_without_quadprog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "quadprog", None)
    monkeypatch.setitem(sys.modules, "qpsolvers", None)
    weighted(UPGrad(WEIGHTS), JACOBIANS["conflicting-3x8"])


# -- on networks ----------------------------------------------------------------------------------

SPECS = {
    "segmentation": HeadSpec("dense", 2),
    "classification": HeadSpec("global", 3),
    "bbox": HeadSpec("global", 4),
    "edges": HeadSpec("dense", 1),
}


class Sum(TorchJDBalancer):
    """The plain sum of the gradients, on the way that all of torchjd's methods take."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(SPECS, 1.0), (), lambda aggregation: aggregation.Sum())


#: Progressive networks share nothing, so there is nothing to combine (test_progressive).
@pytest.fixture(params=[name for name in ARCHITECTURES if name != "progressive"])
def network(request: pytest.FixtureRequest) -> MultiTaskModel:
    """A small network of every architecture in double precision, in training."""
    return make_network(request.param)


def make_network(architecture: str) -> MultiTaskModel:
    model = connect(ModelConfig(architecture=architecture, width=0.05), SPECS)
    initialise(model, 0)
    return model.double().train()


def losses_of(model: MultiTaskModel, names: Sequence[str] = tuple(SPECS)) -> dict[str, Tensor]:
    """One forward pass of all outputs, always the same; the losses of these tasks."""
    draw = torch.Generator().manual_seed(1)
    image = torch.rand(3, 3, 32, 32, generator=draw, dtype=torch.float64)
    torch.manual_seed(2)  # dropout
    losses = {}
    for number, (name, output) in enumerate(model(image).items()):
        target = torch.randn(output.shape, generator=draw, dtype=torch.float64)
        losses[name] = (number + 1) * (output - target).square().mean()
    return {name: losses[name] for name in names}


def step_of(model: MultiTaskModel, losses: Mapping[str, Tensor]) -> Step:
    return Step(
        losses=losses,
        values={name: loss.detach() for name, loss in losses.items()},
        shared=model.shared_parameters(),
        specific=model.specific_parameters(),
        backward=lambda total: pytest.fail("a method by gradients differentiates by itself"),
        average=lambda tensor: tensor,
    )


def plain_gradients(
    model: MultiTaskModel, names: Sequence[str], total: Callable[[list[Tensor]], Tensor]
) -> dict[str, Tensor | None]:
    """``.grad`` of every parameter after one whole backward pass."""
    model.zero_grad(set_to_none=True)
    total(list(losses_of(model, names).values())).backward()
    found = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    return found


def balanced_gradients(
    model: MultiTaskModel, names: Sequence[str], balancer: GradientBalancer
) -> dict[str, Tensor | None]:
    model.zero_grad(set_to_none=True)
    step = step_of(model, losses_of(model, names))
    torch.manual_seed(0)
    balancer.backward(step)
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def test_every_parameter_is_shared_or_specific_and_none_is_both(network: MultiTaskModel) -> None:
    shared = [id(parameter) for parameter in network.shared_parameters()]
    specific = [id(parameter) for parameter in network.specific_parameters()]
    assert len(set(shared)) == len(shared)
    assert len(set(specific)) == len(specific)
    assert not set(shared) & set(specific)
    assert {*shared, *specific} == {id(parameter) for parameter in network.parameters()}
    assert shared
    assert specific


def test_a_specific_parameter_is_reached_by_its_own_task_alone(network: MultiTaskModel) -> None:
    specific = {id(parameter) for parameter in network.specific_parameters()}
    for task in SPECS:
        found = plain_gradients(network, [task], lambda losses: losses[0])
        for name, parameter in network.named_parameters():
            if id(parameter) in specific:
                gradient, owner = found[name], name.split(".")[1]
                assert (gradient is not None) == (owner == task), name
                assert gradient is None or float(gradient.abs().sum()) > 0, name


@pytest.mark.parametrize(
    "names",
    [tuple(SPECS), ("segmentation", "bbox", "edges"), ("classification", "bbox"), ("edges",)],
    ids=len,
)
def test_the_sum_of_the_gradients_is_the_gradient_of_the_sum(
    network: MultiTaskModel, names: tuple[str, ...]
) -> None:
    """For all parameters, also where a task has no label; what is not reached has no gradient."""
    expected = plain_gradients(network, names, lambda losses: torch.stack(losses).sum())
    found = balanced_gradients(network, names, Sum())
    for name, gradient in found.items():
        reference = expected[name]
        assert (gradient is None) == (reference is None), name
        if gradient is not None and reference is not None:
            assert gradient.dtype == torch.float64
            assert float(reference.norm()) > 0, name
            assert (gradient - reference).norm() <= 1e-6 * reference.norm(), name


@pytest.mark.parametrize("names", [tuple(SPECS), ("segmentation", "bbox", "edges")], ids=len)
@pytest.mark.parametrize("architecture", ["mtan", "mtan-full"])
def test_pcgrad_on_mtan_is_the_surgery_of_whole_backward_passes(
    architecture: str, names: tuple[str, ...]
) -> None:
    """A pass per task from the images on, so nothing can be counted twice on the way."""
    network = make_network(architecture)
    shared = {id(parameter) for parameter in network.shared_parameters()}
    rows, own = [], {}
    for task in names:
        gradients = plain_gradients(network, [task], lambda losses: losses[0])
        row = []
        for name, parameter in network.named_parameters():
            gradient = gradients[name]
            if id(parameter) in shared:
                row.append(torch.zeros_like(parameter) if gradient is None else gradient)
            elif gradient is not None:
                own[name] = gradient
        rows.append(torch.cat([part.flatten() for part in row]).numpy())
    jacobian = np.stack(rows)
    assert (jacobian @ jacobian.T).min() < 0  # else it is the sum
    torch.manual_seed(0)
    expected = surgery(jacobian)
    assert np.linalg.norm(expected - jacobian.sum(axis=0)) > 1e-3 * np.linalg.norm(expected)
    found = balanced_gradients(network, names, PCGrad(dict.fromkeys(SPECS, 1.0)))
    parts = []
    for name, parameter in network.named_parameters():
        gradient = found[name]
        if id(parameter) in shared:
            parts.append(torch.zeros_like(parameter) if gradient is None else gradient)
        elif name in own:
            torch.testing.assert_close(gradient, own[name])
        else:
            assert gradient is None
    vector = torch.cat([part.flatten() for part in parts]).numpy()
    assert np.linalg.norm(vector - expected) < 1e-5 * np.linalg.norm(expected)


@pytest.mark.parametrize("name", METHODS)
def test_attention_learns_from_every_method(name: str) -> None:
    model = make_network("mtan")
    balancer = BALANCERS[name](dict.fromkeys(SPECS, 1.0))
    assert isinstance(balancer, GradientBalancer)
    found = balanced_gradients(model, tuple(SPECS), balancer)
    attention = {key: value for key, value in found.items() if "attention" in key}
    assert len({key.split(".")[1] for key in attention}) == len(SPECS)
    for key, gradient in attention.items():
        assert gradient is not None, key
        assert float(gradient.abs().sum()) > 0, key


# -- how the gradients are taken ------------------------------------------------------------------


def test_measuring_the_gradients_changes_nothing(network: MultiTaskModel) -> None:
    """Conflicts are measured before the update: the graph is still needed, and no .grad is set."""
    network.zero_grad(set_to_none=True)
    losses = losses_of(network)
    step = step_of(network, losses)
    jacobian, reached = task_gradients(step)
    assert jacobian.shape == (len(SPECS), sum(p.numel() for p in network.shared_parameters()))
    assert all(reached)
    assert all(parameter.grad is None for parameter in network.parameters())
    again, _ = task_gradients(step, fill_specific=True)
    assert torch.equal(again, jacobian)
    assert all(parameter.grad is not None for parameter in network.specific_parameters())


def test_cosines_by_hand() -> None:
    rows = torch.tensor([[3.0, 0.0], [3.0, 4.0], [-2.0, 0.0], [0.0, 0.0]])
    found = {name: value.item() for name, value in cosines(rows, ["a", "b", "c", "d"]).items()}
    assert list(found) == ["a/b", "a/c", "a/d", "b/c", "b/d", "c/d"]
    assert {name: found[name] for name in ("a/b", "a/c", "b/c")} == pytest.approx(
        {"a/b": 0.6, "a/c": -1.0, "b/c": -0.6}
    )
    assert all(math.isnan(found[name]) for name in ("a/d", "b/d", "c/d"))
