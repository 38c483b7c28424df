"""The names that configs of this replication may use: the core's and the paper's own."""

from common.pipeline import Methods
from replications.generalizing_tickets.iterative_snip import ITERATIVE_SNIP
from replications.generalizing_tickets.oneshot import ONESHOT_MAGNITUDE

METHODS = Methods().extended(
    finders={"iterative_snip": ITERATIVE_SNIP, "oneshot_magnitude": ONESHOT_MAGNITUDE}
)
