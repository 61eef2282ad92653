from alexnet.cli.bench import BATCH_SIZES, TITLES
from alexnet.experiments.bench.table import BENCHES


def test_the_command_knows_every_measurement() -> None:
    assert list(BENCHES) == list(BATCH_SIZES) == list(TITLES)
