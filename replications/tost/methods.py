"""The names that configs of this replication may use: the core's and the paper's own."""

from common.pipeline import Methods
from replications.tost.lth_local import LTH_LOCAL

METHODS = Methods().extended(finders={"lth_local": LTH_LOCAL})
