"""Optuna's storages beside databases, in which attributes of any length can be kept and read."""

from __future__ import annotations

import copy

from optuna.storages import GrpcStorageProxy, JournalStorage
from optuna.trial import FrozenTrial

from lionheart_opt.study.attribute_parts import in_parts, reads_parts, writes_parts

#: Bytes of the shortest column of text that a database behind a proxy may have: MySQL's `TEXT`.
#: https://dev.mysql.com/doc/refman/8.4/en/storage-requirements.html
MOST_BYTES = 65_535


@reads_parts
class WholeJournal(JournalStorage):
    """Optuna's storage in a journal, which a proxy may have written to."""


@reads_parts
@writes_parts
class WholeProxy(GrpcStorageProxy):
    """Optuna's proxy of a storage. It does not say which: attributes fit into any."""

    most_bytes = MOST_BYTES

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """As Optuna's."""
        if template_trial is not None:
            template_trial = copy.copy(template_trial)
            template_trial.user_attrs = in_parts(template_trial.user_attrs, self.most_bytes)
            template_trial.system_attrs = in_parts(template_trial.system_attrs, self.most_bytes)
        return super().create_new_trial(study_id, template_trial)
