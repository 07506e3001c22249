"""The explorer, on flows that are right or wrong on purpose, over a real Valkey."""

import random
import re
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from dousell_cache.errors import CacheUnavailable, ConfigurationError
from dousell_cache.testing import (
    NO_FAULTS,
    Actor,
    Control,
    Faults,
    FreshAfterInvalidation,
    MostLoads,
    NobodyStuck,
    Scenario,
    Server,
    Told,
    Violation,
    World,
    explore,
    private_server,
    replay,
    without,
)
from dousell_cache.testing.checkers import OVER
from dousell_cache.testing.model import Model
from dousell_cache.testing.scenario import unchanged
from dousell_cache.testing.states import Move, State, Taken

from . import toy_flows
from .live import run_live
from .toy_flows import GUARD, careless, leased, leased_read, lock, naive, reader

UNGUARDED = Control("unguarded write", "the write's look at its lease", without(GUARD, "false"))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server for explorations."""
    with private_server() as server:
        yield server


def test_naive_cache_aside_is_told_as_a_story(server: Server) -> None:
    """The classic resurrection is found, as the shortest story there is, in words."""
    (story,) = explore(naive(), server).violations
    assert str(story).splitlines() == [
        "naive cache-aside:",
        "  1. reader-1 sends GET k → nil",
        "  2. reader-1 reads the origin → 0",
        "  3. writer changes the origin → 1",
        "  4. writer sends DEL k → 0; writer has withdrawn what is older than 1",
        "  5. reader-1 sends SET k 0 PX 60000 → OK; reader-1 gets 0",
        "  6. reader-2 sends GET k → 0; reader-2 gets 0",
        "  => reader-2 got 0, withdrawn before it asked: only 1 or newer will do",
        "  replay(scenario, server, '1-1-2-2-1-3')",
    ]


def test_the_documented_example_prints_what_its_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """The page's program runs as it stands, and its output is the page's."""
    page = Path(__file__).parents[1] / "docs" / "reference" / "explorer.md"
    program, output = re.findall(r"```(?:python)?\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    exec(compile(program, str(page), "exec"), {})  # noqa: S102 - our own page
    assert capsys.readouterr().out == output


def test_a_lease_keeps_the_promise_through_every_fault(server: Server) -> None:
    """With any one thing going wrong in any place, guarded flows never bring back what was withdrawn."""
    result = explore(leased(Faults(1)), server)
    assert result.violations == ()
    assert result.complete
    assert result.schedules > 10_000


def test_a_guard_switched_off_is_found_out_and_can_be_replayed(server: Server) -> None:
    """The same flows with an unguarded write break the promise, and the schedule shows it again, alone."""
    (story,) = explore(leased(), server, control=UNGUARDED).violations
    assert replay(leased(), server, story.schedule, control=UNGUARDED) == story
    assert replay(leased(), server, story.schedule).problem is None


def test_a_control_that_switches_nothing_off_is_an_error(server: Server) -> None:
    """A control whose guard is not there would prove nothing."""
    with pytest.raises(ConfigurationError, match="changed no command"):
        explore(leased(), server, control=Control("typo", "nothing", without("no such text", "")))


def test_a_control_may_change_the_flow_itself(server: Server) -> None:
    """A guard in Python is switched off by a patch, which is gone afterwards."""
    control = Control("no lease", "all", patch=lambda: mock.patch.object(toy_flows, "_entry_or_lease", _always_lease))
    assert explore(leased(), server, control=control).violations == ()  # an invalidation still withdraws nothing of it
    assert explore(one_load(NO_FAULTS, 1), server, control=control).violations
    assert explore(one_load(NO_FAULTS, 1), server).violations == ()


async def _always_lease(world: World) -> tuple[int | None, str]:
    return None, world.token()


def one_load(faults: Faults, most: int) -> Scenario:
    """Return two leased readers that may load so many times."""
    return Scenario("one load", leased().actors[::2], (MostLoads(most), NobodyStuck()), faults)


def test_a_crashed_leader_costs_one_load_more(server: Server) -> None:
    """One load for two readers; a crash costs one more, and nobody waits for ever, since the lease expires."""
    crash = Faults(1, expiries=0, evictions=0, lost=0, refused=0)
    assert explore(one_load(NO_FAULTS, 1), server).violations == ()
    assert explore(one_load(crash, 1), server).violations != ()
    assert explore(one_load(crash, 2), server).violations == ()


def test_a_release_without_a_look_needs_three_clients(server: Server) -> None:
    """Two clients cannot show it; with three, the first deletes the second's lock and the third enters."""
    assert explore(lock(2), server).violations == ()
    (story,) = explore(lock(3), server).violations
    assert story.problem == "client-3 enters while client-2 is inside"
    assert "lock expires" in story.lines


def test_who_waits_for_what_never_ends_is_found(server: Server) -> None:
    """A lock without an end, left behind by a crash, leaves the others waiting for ever."""

    async def endless(world: World) -> None:
        while await world.port.send("SET", "lock", "x", "NX") is None:
            await world.clock.sleep(0.1)
        await world.port.send("DEL", "lock")

    actors = (Actor("a", endless), Actor("b", endless))
    assert explore(Scenario("endless", actors, faults=NO_FAULTS), server).violations == ()
    crashes = Faults(1, expiries=0, evictions=0, lost=0, refused=0)
    (story,) = explore(Scenario("endless", actors, faults=crashes), server).violations
    assert story.problem == "b wait for ever"


def test_a_crash_sends_nothing(server: Server) -> None:
    """Whoever crashes does not clean up either: its `finally` never reaches the server."""

    async def tidy(world: World) -> None:
        await world.port.send("SET", "a", "1")
        try:
            await world.origin.read()
        finally:
            await world.port.send("DEL", "a")

    async def looks(world: World) -> None:
        world.tell("sees", await world.port.send("GET", "a"))  # type: ignore[arg-type]  # bytes or None

    scenario = Scenario("tidy", (Actor("tidy", tidy), Actor("looks", looks)))
    replay(scenario, server, "1")  # thrown away in its `try`: an error if it then sent anything
    assert replay(scenario, server, "1-1#-2").lines[1:] == ("tidy crashes", "looks sends GET a → 1; looks sees b'1'")


def test_a_lost_reply_was_executed_and_a_refused_command_was_not(server: Server) -> None:
    """Both look the same to the flow, not to the server."""

    async def sets(world: World) -> None:
        try:
            await world.port.send("SET", "a", "1")
        except CacheUnavailable:
            world.tell("knows nothing")
        await world.port.send("GET", "a")

    scenario = Scenario("unsure", (Actor("unsure", sets),))
    assert replay(scenario, server, "1~-1").lines[1] == "unsure sends GET a → 1"
    assert replay(scenario, server, "1!-1").lines[1] == "unsure sends GET a → nil"
    assert replay(scenario, server, "1!").lines[0] == "unsure sends SET a 1 → refused, not done; unsure knows nothing"


def test_merging_loses_no_schedule(server: Server) -> None:
    """The number of schedules is the one that is found by walking every one of them."""
    scenario = naive(Faults(1))
    with closing(Model(scenario, server, unchanged)) as model:
        assert explore(scenario, server).schedules == _walked(model, model.first) > 5_000


def _walked(model: Model, state: State) -> int:
    nexts = [taken for _, taken in model.successors(state) if taken.problem or taken.state != state]
    return sum(1 if taken.problem else _walked(model, taken.state) for taken in nexts) or 1


@pytest.mark.parametrize("scenario", [naive(Faults(2)), leased(Faults(2)), lock(3)], ids=lambda one: one.name)
def test_a_schedule_goes_the_same_way_on_a_live_server(server: Server, scenario: Scenario) -> None:
    """Run live, without any merging, replaying or restoring, random schedules bring the very answers they did here."""
    chance = random.Random(7)
    with closing(Model(scenario, server, unchanged)) as model:
        for _ in range(40):
            steps = _random_schedule(model, chance)
            expected = [(move.code, taken.answer, taken.told) for move, taken in steps if move.process >= 0]
            assert run_live(scenario, server, [move for move, _ in steps]) == expected


def _random_schedule(model: Model, chance: random.Random) -> list[tuple[Move, Taken]]:
    state, steps = model.first, []
    while nexts := [(move, taken) for move, taken in model.successors(state) if taken.state != state]:
        steps.append(chance.choice(nexts))
        state = steps[-1][1].state
    return steps


def test_no_time_passes(server: Server) -> None:
    """The time that a key has left is part of an answer, to the millisecond, and never gets less."""

    async def looks(world: World) -> None:
        await world.port.send("SET", "a", "1", "PX", 60_000)
        for _ in range(3):
            world.tell("has", await world.port.send("PTTL", "a"))  # type: ignore[arg-type]  # a number
            await world.clock.sleep(1)

    story = replay(Scenario("frozen", (Actor("a", looks),)), server, "1-1-1-1")
    assert [line for line in story.lines if "60000" not in line] == []


def test_keys_grow_old_when_told_to(server: Server) -> None:
    """Ageing shortens a key's time once per schedule, as a step of its own, at any moment."""

    async def looks(world: World) -> None:
        await world.port.send("SET", "a", "1", "PX", 60_000)
        world.tell("has", await world.port.send("PTTL", "a"))  # type: ignore[arg-type]  # a number

    scenario = Scenario("ageing", (Actor("a", looks),), faults=NO_FAULTS, ages=lambda _, __: 30_000)
    assert explore(scenario, server).schedules == 2
    assert replay(scenario, server, "1-g0-1").lines[1:] == ("a grows old", "a sends PTTL a → 30000; a has 30000")


@pytest.mark.parametrize("preemptions", [None, 1])
def test_who_polls_with_several_commands_waits_for_ever_too(server: Server, preemptions: int | None) -> None:
    """Two waiters that listen to a bell and then ask, again and again, are found out when nothing will ever come."""

    async def waits(world: World) -> None:
        while await world.port.send("EXISTS", "lock"):
            await world.port.block(1.0, "BLPOP", "bell", 1)

    scenario = Scenario(
        "no end",
        (Actor("a", waits), Actor("b", waits)),
        faults=NO_FAULTS,
        setup=(("SET", "lock", "nobody's"),),
        can_block=True,
        preemptions=preemptions,
    )
    (story,) = explore(scenario, server).violations
    assert story.problem == "a and b wait for ever"
    assert not explore(replace(scenario, setup=(("SET", "lock", "c", "PX", 1000),)), server).violations


def test_a_bound_on_interruptions_makes_nobody_wait(server: Server) -> None:
    """Whoever could go on, but for the bound, does not wait: nothing ends by itself meanwhile."""

    async def waits(world: World) -> None:
        while await world.port.send("EXISTS", "lock"):
            await world.port.block(1.0, "BLPOP", "bell", 1)

    async def keeps(world: World) -> None:
        for _ in range(3):
            await world.port.send("PEXPIRE", "lock", 1000)
        await world.port.send("DEL", "lock")

    class NothingEnds:
        first = None

        def see(self, state: None, told: Told) -> None:
            if told.what == "expires":
                raise Violation("it was to be deleted")
            return state

    actors = (Actor("keeper", keeps), Actor("waiter", waits))
    setup = (("SET", "lock", "keeper's", "PX", 1000),)
    for bound in (0, 1, 2, None):
        scenario = Scenario("kept", actors, (NothingEnds(),), NO_FAULTS, setup=setup, can_block=True, preemptions=bound)
        assert explore(scenario, server).violations == ()


class Ended:
    """Remembers nothing, and objects to keys that are left when all is over."""

    first = None

    def see(self, state: None, told: Told) -> None:
        """Follow one event."""
        if told.what == OVER and told.value:
            raise Violation(f"{told.value} left")
        return state


def test_a_late_command_may_come_at_any_step(server: Server) -> None:
    """A command that got no answer is executed at any later step, even when all is over; a story tells when."""

    async def writes(world: World) -> None:
        with suppress(CacheUnavailable):
            await world.port.send("SET", "k", 1)
        await world.port.send("DEL", "k")

    scenario = Scenario("late", (Actor("a", writes),), (Ended(),), Faults(1, 0, 0, 0, 0, 0, late=1))
    result = explore(scenario, server)
    (story,) = result.violations
    assert result.schedules == 4  # never, or late for the first or the second command; if for the first, on two sides
    assert story.schedule == "1>-1-l0"
    assert story.lines == (
        "a sends SET k 1 → late, and given up",
        "a sends DEL k → 0",
        "what was late arrives: SET k 1 → OK",
    )


def test_a_flow_may_be_interrupted(server: Server) -> None:
    """A flow that is interrupted cleans up, and its command may still arrive."""

    async def holds(world: World) -> None:
        try:
            await world.port.send("SET", "k", 1)
        finally:
            await world.port.send("DEL", "k")

    scenario = Scenario("interrupted", (Actor("a", holds),), (Ended(),), Faults(1, 0, 0, 0, 0, 0, interrupts=1))
    (story,) = explore(scenario, server).violations
    assert story.lines == (
        "a sends SET k 1 → late, and interrupted",
        "a sends DEL k → 0; a raises Interrupted",
        "what was late arrives: SET k 1 → OK",
    )


def test_a_crash_leaves_what_it_leaves(server: Server) -> None:
    """When somebody crashed, nothing is said of what is left behind."""

    async def holds(world: World) -> None:
        await world.port.send("SET", "k", 1)
        await world.port.send("DEL", "k")

    scenario = Scenario("crash", (Actor("a", holds),), (Ended(),), Faults(1, 0, 0, crashes=1, lost=0, refused=0))
    assert explore(scenario, server).violations == ()


def test_a_command_may_be_rewritten_on_its_way(server: Server) -> None:
    """What reads the server's time can read something that is the same in every run."""

    async def looks(world: World) -> None:
        script = "local time = redis.call('TIME'); return time[1]"
        world.tell(f"reads {await world.port.send('EVAL', script, 0)!r}")

    rewrite = without("redis.call('TIME')", "{redis.call('INCR', 'time')}")
    scenario = Scenario("time", (Actor("a", looks), Actor("b", looks)), faults=NO_FAULTS, rewrite=rewrite)
    assert [line.rpartition("; ")[2] for line in replay(scenario, server, "2-1").lines] == ["b reads 1", "a reads 2"]


def test_fewer_interruptions_are_fewer_schedules(server: Server) -> None:
    """A bound on interruptions leaves schedules out, and every bound more lets some in, up to all of them."""
    counts = [explore(replace(naive(), preemptions=bound), server).schedules for bound in (0, 1, 2, None)]
    assert counts == sorted(set(counts))
    assert counts[0] == 6  # the orders of three actors


def test_a_limit_is_admitted(server: Server) -> None:
    """An exploration that was cut short says so, and so does its text."""
    result = explore(leased(Faults(1)), server, max_states=100)
    assert not result.complete
    assert "(not all)" in str(result)
    assert explore(leased(), server).complete


def test_a_schedule_of_another_scenario_is_refused(server: Server) -> None:
    """A step that cannot be taken is named, with those that can."""
    with pytest.raises(ValueError, match=r"step 2 of the schedule, '9', cannot be taken there; possible: 1, 2, 3"):
        replay(naive(), server, "1-9")


def test_a_mistake_in_a_flow_ends_the_exploration(server: Server) -> None:
    """An exception that no story foresees comes through, with the schedule that led there."""

    async def wrong(world: World) -> None:
        await world.port.send("GET", "a")
        raise KeyError("a mistake")

    with pytest.raises(KeyError) as caught:
        explore(Scenario("wrong", (Actor("wrong", wrong),)), server)
    assert caught.value.__notes__ == ["on the way from schedule ''"]


def test_giving_up_after_some_polls_is_seen_with_enough_of_them(server: Server) -> None:
    """A flow that gives up after five looks stands still for an exploration that lets it look once."""

    async def gives_up(world: World) -> None:
        for _ in range(5):
            if await world.port.send("GET", "a"):
                return
            await world.clock.sleep(1)

    scenario = Scenario("gives up", (Actor("a", gives_up),), faults=NO_FAULTS)
    assert explore(scenario, server).violations != ()
    assert explore(replace(scenario, polls=5), server).violations == ()


def test_an_endless_poll_is_cut_however_often_it_may_look(server: Server) -> None:
    """Looking again brings nothing new, so the exploration ends; what it waits for may still come at any time."""

    async def waits(world: World) -> None:
        while await world.port.send("GET", "a") is None:
            await world.clock.sleep(1)

    async def sets(world: World) -> None:
        await world.port.send("SET", "a", "1")

    actors = (Actor("waits", waits), Actor("sets", sets))
    for polls in (1, 2, 5):
        result = explore(Scenario("poll", actors, faults=NO_FAULTS, polls=polls), server, max_states=1_000)
        assert (result.complete, result.violations) == (True, ())
    assert explore(Scenario("poll", actors, faults=NO_FAULTS, preemptions=0), server).violations == ()


def test_a_poll_that_brings_something_new_is_remembered(server: Server) -> None:
    """A flow that must have seen five different answers is not set back to when it had seen fewer."""

    async def watches(world: World) -> None:
        seen: set[object] = set()
        while len(seen) < 5:
            seen.add(await world.port.send("GET", "a"))
            await world.clock.sleep(1)
        world.tell("has seen all")

    async def counts(world: World) -> None:
        for _ in range(5):
            await world.port.send("INCR", "a")

    scenario = Scenario("watch", (Actor("watches", watches), Actor("counts", counts)), faults=NO_FAULTS)
    assert replay(scenario, server, "2-1-2-1-2-1-2-1-2-1").lines[-1] == "watches sends GET a → 5; watches has seen all"


def test_flows_of_one_process_share_memory_and_its_dangers(server: Server) -> None:
    """Who joins whatever load is under way in its process may get what was withdrawn before it asked."""

    async def joined_read(world: World) -> int:
        if "landed" in world.memory:
            await world.memory["landed"].wait()
            return int(world.memory["value"])
        world.memory["landed"] = world.event()
        world.memory["value"] = await leased_read(world)
        world.memory.pop("landed").set()
        return int(world.memory["value"])

    apart = tuple(reader(f"reader-{number}", leased_read) for number in (1, 2))
    together = tuple(reader(f"reader-{number}", joined_read, process="web") for number in (1, 2))
    (story,) = explore(replace(leased(), actors=(*together, leased().actors[1])), server).violations
    assert story.problem == "reader-2 got 0, withdrawn before it asked: only 1 or newer will do"
    assert "reader-2 goes on; reader-2 gets 0" in story.lines
    assert explore(replace(leased(), actors=(*apart, leased().actors[1])), server).violations == ()


def test_a_flow_may_run_another_behind_its_back(server: Server) -> None:
    """What is spawned is a task of the same process, and runs on after its caller, in every order."""

    async def asks(world: World) -> None:
        async def refresh() -> None:
            await world.port.send("SET", "a", "new")

        world.spawn("refresh", refresh())
        await world.port.send("GET", "a")

    scenario = Scenario("refresh", (Actor("a", asks),), faults=NO_FAULTS)
    result = explore(scenario, server)
    assert result.violations == ()
    assert "a's refresh sends SET a new → OK" in replay(scenario, server, "1-1b-1b").lines


def test_a_careless_clients_release_is_its_own_in_peace() -> None:
    """The toy lock is one flow for all its clients."""
    assert {actor.start for actor in lock(3).actors} == {careless}


def test_two_checkers_each_get_their_story(server: Server) -> None:
    """Of each checker that objects, the shortest story is kept, and no other."""
    scenario = replace(naive(), checkers=(FreshAfterInvalidation(), MostLoads(), NobodyStuck()))
    assert len(explore(scenario, server).violations) == 2
    assert len(explore(scenario, server, first_only=True).violations) == 1
