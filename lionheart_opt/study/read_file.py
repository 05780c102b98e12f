"""A study file whose records are read, and nothing else: neither torch nor data are needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lionheart_opt.errors import InputError
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.names import lies_in, possible_names
from lionheart_opt.study.packed_network import unpacked_network
from lionheart_opt.study.plan import SearchPlan
from lionheart_opt.study.same_question import (
    NETWORK,
    SOURCES,
    SPECIFICATION,
    VERSIONS,
    answers_same,
)
from lionheart_opt.study.specification import versions
from lionheart_opt.study.storage import reading
from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    import optuna

#: Packages that decide how a network is traced.
TRACING = ("lionheart_opt", "torch")


@dataclass(frozen=True, repr=False)
class ReadFile(StudyFile):
    """A study file of which only records are read: their network is that of the study.

    A record's network is taken where the record answers what the study asks, own modules have the same
    source, and the same versions would trace it. What own modules read from files is not compared:
    resuming does that. Otherwise the network is traced.
    """

    @cached_property
    def network(self) -> Workload:
        """The study's model, as one of its records holds it, or traced."""
        recorded = self._recorded_network()
        return super().network if recorded is None else recorded

    def storage_to_read(self) -> optuna.storages.BaseStorage | None:
        """As `StudyFile`'s, opened once; the storage that is written to, once that is open."""
        return self.storage if "storage" in vars(self) else self._storage_to_read

    @cached_property
    def _storage_to_read(self) -> optuna.storages.BaseStorage | None:
        return super().storage_to_read()

    def _recorded_network(self) -> Workload | None:
        # networks of Hugging Face depend on files that no record names
        storage = None if self.table.model.is_pretrained else self.storage_to_read()
        if storage is None:
            return None
        import optuna

        is_own = lies_in(self.folder, self.storage_url)
        with reading("storage: its records cannot be read"):
            names = optuna.get_all_study_names(storage)
            for plan in self.plans():
                for name in possible_names(names, self.name, plan.name, is_own=is_own):
                    said = storage.get_study_user_attrs(storage.get_study_id_from_name(name))
                    network = self._network_of(said, plan)
                    if network is not None:
                        return network
        return None

    def _network_of(self, said: dict[str, Any], plan: SearchPlan) -> Workload | None:
        """The network of a record with these attributes; None where tracing might give another."""
        if any(said.get(key) is None for key in (NETWORK, SPECIFICATION, SOURCES, VERSIONS)):
            return None  # an older version made it, or it has not begun
        now = versions()
        is_traced_alike = all(said[VERSIONS].get(each) == now.get(each) for each in TRACING)
        if not is_traced_alike or said[SOURCES].get("oracle") != self.oracle_sources:
            return None
        try:
            network = unpacked_network(said[NETWORK])
            question = self.question_about(self.workload_of(network))
        except (InputError, ValueError):
            return None
        specification = {**question, "strategy": plan.specification}
        return network if answers_same(said[SPECIFICATION], specification) else None
