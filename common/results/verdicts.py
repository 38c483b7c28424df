"""Verdicts on reported numbers: does ours agree, by one rule for every paper.

The rule, for a reported number and ours by the protocol that gave it, on a complete data set:

1. The 95 % interval of the difference ours - reported is ``difference ± half``, where ``half`` is
   the root of the sum of squares of the two means' half-widths (the square-and-add method of
   Zou and Donner, 2008). Ours is the t-interval over seeds. The reported one is the t-interval of
   its standard deviation and number of runs; where that number is unknown it is that of a single
   run, 1.96 standard deviations, the widest it can be; without a standard deviation it is 0.
2. ``half`` is never narrower than the resolution of the measurement: for an accuracy 1.96 standard
   errors of a proportion on our test images (what another test set of that size would change), for
   anything else half a unit of the last digit that is printed.
3. An interval above 0 is ``higher``, one below 0 ``lower``. One that holds 0 is ``agrees`` where it
   is precise enough, ``half`` no wider than the margin (1 point of percentages, 5 % of any other
   number), and ``inconclusive`` where it is not. A single seed has no interval: ``inconclusive``.

Of 100 numbers that agree in truth, about five come out as higher or lower. Numbers that only
another protocol or an incomplete data set has a counterpart for are ``other protocol``, without a
difference; all others are ``not run``.
"""

from __future__ import annotations

AGREES, HIGHER, LOWER, OPEN = "agrees", "higher", "lower", "inconclusive"
OTHER_PROTOCOL, NOT_RUN = "other protocol", "not run"
NUMBER_VERDICTS = (AGREES, HIGHER, LOWER, OPEN, OTHER_PROTOCOL, NOT_RUN)
