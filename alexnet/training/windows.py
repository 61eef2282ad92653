"""The running training error inside epochs, as a run has written it to windows.csv."""

import csv
from itertools import pairwise
from pathlib import Path

from alexnet.errors import WeightsError
from alexnet.reading import MAX_LOG, read_text
from alexnet.training.events import WindowEnd

FILE = "windows.csv"


def read_windows(run: Path) -> list[WindowEnd]:
    """The windows of the run in directory `run`, in order: photographs seen, with loss and error of the last of them.

    Raises WeightsError where there is no such file, or none that can be read.
    """
    path = run / FILE
    try:
        rows = csv.DictReader(read_text(path, MAX_LOG, newline=""))
        found = [WindowEnd(int(row["photographs"]), float(row["loss"]), float(row["error"])) for row in rows]
    except FileNotFoundError as error:
        raise WeightsError(
            f"{run} has no {FILE}: it is no run directory, or of a version that did not write it; train anew."
        ) from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}); mend that and try again.") from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise WeightsError(f"{path} is damaged: {error}; resume the run, which writes it again.") from error
    if any(one.photographs >= other.photographs for one, other in pairwise(found)):
        raise WeightsError(f"{path} is damaged: its windows do not follow one another; resume the run.")
    return found
