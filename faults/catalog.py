"""All faults, in the order of the report."""

from faults.damage import DAMAGE
from faults.disk import FULL
from faults.fuzz import FUZZ
from faults.hostile import HOSTILE
from faults.kills import KILLS
from faults.locks import LOCKS
from faults.power import POWER
from faults.signals import SIGNALLED
from faults.surroundings import SURROUNDED
from faults.syscalls import SYSCALLS
from faults.trial import Fault
from faults.workers import WORKERS

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (KILLS, SYSCALLS, POWER, SIGNALLED, FULL, DAMAGE, LOCKS, WORKERS, SURROUNDED, FUZZ, HOSTILE)
}
