"""The grid is complete, or says why not; runs that share a ticket find it once."""

from itertools import product

import pytest

from common.pipeline import distinct_phases, plan_run
from common.pipeline.registry import Methods
from replications.cross_paper import methods
from replications.cross_paper.finders import FINDERS, NOT_IN_THE_GRID
from replications.cross_paper.grid import CHECKS, FOUND, LEFT_OUT, RECIPES
from replications.cross_paper.methods import METHODS, PAPERS, merged
from replications.cross_paper.scales import QUICK, STUDY

SCALES = {"quick": QUICK, "paper": STUDY}
PRESETS = pytest.mark.parametrize("preset", SCALES)


def targets(scale, finder):
    return (None,) if FINDERS[finder].own_sparsity else scale.sparsities


def reasons(scale, *cell):
    return [out.reason for out in LEFT_OUT if out.holds(scale, *cell)]


def plan(config, seed=0):
    return plan_run(config, seed, METHODS, f"content of {config.data.name}")


def ticket_as_found(plan):
    """Return the last phase that finds: what checks change."""
    return [phase for phase in plan.phases if phase.kind == "find"][-1].identity


@PRESETS
def test_every_finder_meets_every_check_and_recipe_unless_a_reason_is_given(grid, preset):
    scale = SCALES[preset]
    expected = {
        (finder, check, recipe, dataset, sparsity)
        for finder, check, recipe, dataset in product(FINDERS, CHECKS, RECIPES, scale.datasets)
        if not reasons(scale, finder, check, recipe)
        for sparsity in targets(scale, finder)
    }
    assert set(grid(preset)) == expected
    assert all(run.protocol == scale.protocol for run in grid(preset).values())
    assert all(len(run.seeds) == 3 for run in grid(preset).values())


def test_the_study_leaves_nothing_out_and_quick_what_it_declares(grid):
    cells = product(FINDERS, CHECKS, RECIPES)
    assert not any(reasons(STUDY, *cell) for cell in cells)
    assert all(out.reason and out.protocol == "quick" for out in LEFT_OUT)
    assert len(grid("paper")) == 3 * (21 * 2 + 3) * 4 * 2
    assert len(grid("quick")) == (18 * 2 + 3) * (4 + 1)


def test_every_finder_of_the_papers_has_a_place_or_a_reason(grid):
    used = {run.find.name for run in grid("paper").values()}
    assert used | set(NOT_IN_THE_GRID) == set(METHODS.finders)
    assert not used & set(NOT_IN_THE_GRID)
    assert {paper for finder in FINDERS.values() for paper in finder.papers} == set(PAPERS)
    for name, finder in FINDERS.items():
        (section,) = {run.find.name for key, run in grid("paper").items() if key[0] == name}
        for paper in finder.papers:
            assert section in PAPERS[paper].finders


@PRESETS
def test_every_ticket_is_found_once_whatever_checks_and_trains_it(grid, preset):
    found = {}
    for (finder, _, _, dataset, sparsity), run in grid(preset).items():
        found.setdefault((finder, dataset, sparsity), set()).add(ticket_as_found(plan(run)))
    assert all(len(tickets) == 1 for tickets in found.values())
    assert len(set.union(*found.values())) == len(found)  # and no two finders share one


def test_seeds_share_nothing(grid):
    runs = list(grid("quick").values())
    first, second = ({*distinct_phases([plan(run, seed) for run in runs])} for seed in (0, 1))
    assert len(first) == len(second) and not first & second


def test_finders_share_the_dense_training_and_tickets_cost_a_transform_a_check(grid):
    runs = {key: run for key, run in grid("paper").items() if key[3] == "cifar10"}
    phases = distinct_phases([plan(run) for run in runs.values()]).values()
    dense = [phase for phase in phases if phase.kind == "train" and not phase.inputs]
    assert len(dense) == 1
    transforms = [phase for phase in phases if phase.kind == "transform"]
    assert len(transforms) == (21 * 2 + 3) * 3


@PRESETS
def test_recipes_and_checks_are_the_only_difference_between_the_cells_of_a_finder(grid, preset):
    runs = grid(preset)
    for (finder, check, recipe, dataset, sparsity), run in runs.items():
        plain = runs[finder, FOUND, "plain", dataset, sparsity]
        assert (run.find, run.model, run.data) == (plain.find, plain.model, plain.data)
        assert tuple(step.name for step in run.transform) == CHECKS[check]
        tricks = {"soft_activation", "ghost_skip", "lrsi", "label_smoothing", "smoothing_form"}
        same = run.train.model_dump(exclude=tricks) == plain.train.model_dump(exclude=tricks)
        assert same
        if recipe == "plain":
            assert run.train == plain.train
        else:
            assert run.train.soft_activation.fading == "beta"  # gone at the end
            assert run.train.ghost_skip.decay == "linear"
            assert run.train.label_smoothing == 0.1 and run.train.lrsi is not None


def test_two_papers_may_not_give_one_name_to_different_methods():
    snip, random = METHODS.finders["snip"], METHODS.finders["random"]
    one, other = (Methods().extended({"new": finder}) for finder in (snip, random))
    assert merged({"a": one, "b": one}).finders["new"] is snip
    with pytest.raises(ValueError, match="b: 'new' is another paper's method"):
        merged({"a": one, "b": other})


def test_the_study_adds_no_method_of_its_own():
    theirs = {name for paper in methods.PAPERS.values() for name in paper.finders}
    assert set(METHODS.finders) == theirs
