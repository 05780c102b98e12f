"""What a search has measured but could not write into its record, until the search is resumed.

A storage may stay out of reach for longer than anybody waits, or a search may be interrupted while other
candidates of its batch are finished. Such work is kept in a file of the artifact store, or of the working
folder where there is no such store or it cannot be written, either.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from lionheart_opt.artifacts import ArtifactFolder, Artifacts
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.statistics.example_statistics import ExampleStatistics
from lionheart_opt.study.fence import LostClaim
from lionheart_opt.study.finished_trials import FinishedTrial
from lionheart_opt.study.trials import attributes_of, evaluation_of

_log = logging.getLogger(__name__)

#: Folder in the working folder, for those who have no artifact store.
FOLDER = "lionheart_opt-unwritten"
#: Keys of what is kept: evaluations by the digests of their candidates; user attributes of the study.
TRIALS, ATTRIBUTES = "trials", "attributes"

#: What can be kept: `TRIALS`, `ATTRIBUTES` or both -> name -> plain data.
Packed = dict[str, dict[str, Any]]


class Unwritten:
    """Measured, but not written: of one search, whoever drives it.

    What the record holds wins: another driver may have measured the same in the meantime.

    Args:
        name: Name of the file; it holds the digest of the question.
        places: Where the file may lie. The first one that can be written is used.
    """

    def __init__(self, name: str = "", places: Sequence[Artifacts] = ()) -> None:
        self._name, self._places = name, places
        self._kept_in: list[Artifacts] = []
        self._trials: dict[str, Any] = {}
        #: User attributes of the Optuna study.
        self.attributes: dict[str, Any] = {}

    @staticmethod
    def of(question: Sequence[Any], artifacts: Artifacts | None) -> Unwritten:
        """What earlier drivers of a search have left.

        Args:
            question: Plain data that tells the search, and the question that it answers, from others.
            artifacts: The artifact store of the study.
        """
        digest = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
        folder = ArtifactFolder(Path(FOLDER).absolute())
        places = [folder] if artifacts is None else [artifacts, folder]
        unwritten = Unwritten(f"unwritten-{digest}", places)
        for place in places:
            unwritten._read(place)
        return unwritten

    def _read(self, place: Artifacts) -> None:
        try:
            with place.open_reader(self._name) as file:
                checksum, _, content = file.read().partition(b"\n")
            if hashlib.sha256(content).hexdigest().encode() != checksum:
                raise ValueError("it is damaged")
            packed: Packed = json.loads(content)
            self._trials |= packed[TRIALS]
            self.attributes |= packed[ATTRIBUTES]
            self._kept_in.append(place)
        except FileNotFoundError:
            pass
        except (InputError, OSError, ValueError) as error:
            _log.warning("%s in %s is not used: %s", self._name, place.where, error)

    def put(self, packed: Packed) -> str:
        """Keep more; where it is kept, or nothing where it cannot be."""
        self._trials |= packed.get(TRIALS, {})
        self.attributes |= packed.get(ATTRIBUTES, {})
        if not self._trials and not self.attributes:
            return ""
        content = json.dumps({TRIALS: self._trials, ATTRIBUTES: self.attributes}).encode()
        checksum = hashlib.sha256(content).hexdigest().encode()
        for place in self._places:
            with suppress(InputError, OSError):
                place.write(self._name, io.BytesIO(checksum + b"\n" + content))
                self._kept_in.append(place)
                return place.where
        return ""

    @contextmanager
    def keeping(self, pack: Callable[[], Packed]) -> Iterator[None]:
        """Keep what the block cannot write, unless another driver has taken the search over.

        Args:
            pack: Gives what it writes.

        Raises:
            InputError: The block raised it; the message also says what has become of the data.
        """
        try:
            yield
        except LostClaim:
            raise
        except BaseException as error:
            where = self.put(pack())
            if not isinstance(error, InputError):
                raise
            kept = f"it is kept in {where}, and resuming writes it"
            lost = "it may be lost: resuming evaluates it again"
            raise InputError(f"{error}; {kept if where else lost}") from error

    def evaluation(self, problem: Problem, candidate: Candidate, name: str) -> Evaluation | None:
        """The evaluation of a candidate that is kept; None if there is none.

        Args:
            problem: The question.
            candidate: The candidate.
            name: Name of the Optuna study, for messages.
        """
        kept = self._trials.get(candidate.digest)
        if kept is None:
            return None
        trial = FinishedTrial(-1, False, kept["values"], kept["attributes"])
        evaluation = replace(evaluation_of(problem, trial, name), candidate=candidate)
        if kept["outcomes"] is None or evaluation.accuracy is None:
            return evaluation
        outcomes = ExampleStatistics.from_bytes(base64.b64decode(kept["outcomes"]))
        return replace(evaluation, accuracy=replace(evaluation.accuracy, outcomes=outcomes))

    def forget(self, candidate: Candidate) -> None:
        """The record holds an evaluation of the candidate."""
        self._trials.pop(candidate.digest, None)

    def remove_if_empty(self) -> None:
        """Remove the file if the record holds all of it."""
        if self._trials or self.attributes:
            return
        for place in self._kept_in:
            with suppress(InputError, OSError):
                place.remove(self._name)
                if isinstance(place, ArtifactFolder):
                    Path(place.where).rmdir()  # if it is empty


def packed(problem: Problem, evaluations: Sequence[Evaluation]) -> Packed:
    """Evaluations as plain data; those that have failed are better tried again."""
    trials = {}
    for evaluation in evaluations:
        if evaluation.failed:
            continue
        outcomes = evaluation.accuracy.outcomes if evaluation.accuracy else None
        trials[evaluation.candidate.digest] = {
            "values": list(evaluation.objectives.values()),
            "attributes": attributes_of(problem, evaluation),
            "outcomes": outcomes and base64.b64encode(outcomes.to_bytes()).decode(),
        }
    return {TRIALS: trials}
