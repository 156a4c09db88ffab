"""Many runs: launchers, Table 1 reproduced, studies of auxiliary tasks."""
