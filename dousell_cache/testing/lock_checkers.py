"""What must hold of locks, and of the ledger behind them, as small automata over what workers tell."""

from typing import Any, NamedTuple

from .checkers import ENDS, OVER, Violation
from .world import Told


class FencesGrow:
    """Every grant has a larger fence than all before it, and no fence is forgotten for a smaller one."""

    first = 0

    def see(self, state: int, told: Told) -> int:
        """Follow one event."""
        if told.what not in ("enters", "has a new fence", "sees the fence"):
            return state
        fence = _number(told.value)
        if fence < state or (fence == state and told.what != "sees the fence"):
            raise Violation(f"{told.actor} has the fence {fence}, and {state} was granted before")
        return fence


class _Written(NamedTuple):
    fence: int = 0
    paid: bool = False


class OnePayment:
    """The ledger that compares fences is paid once at most, and never written with a smaller fence after a larger."""

    first = _Written()

    def see(self, state: _Written, told: Told) -> _Written:
        """Follow one event."""
        if told.what not in ("claims", "pays"):
            return state
        word, fence = _ledgers(told.value)
        if word not in ("claimed", "paid"):
            return state
        if fence < state.fence:
            raise Violation(f"{told.actor} wrote with the fence {fence} after somebody with {state.fence}")
        if word == "paid" and state.paid:
            raise Violation(f"{told.actor} paid what was paid already")
        return _Written(fence, state.paid or word == "paid")


class TrustingPayment:
    """A ledger that trusts the lock alone would be paid once at most: not so when a holder outlives its lock."""

    first = None

    def see(self, state: None, told: Told) -> None:
        """Follow one event."""
        if told.what == "pays" and _trusting(told.value) > 1:
            raise Violation(f"{told.actor} paid what was paid already, had the ledger not compared fences")
        return state


class SomebodyPays:
    """When all is over, the rent is paid."""

    first = False

    def see(self, state: bool, told: Told) -> bool:
        """Follow one event."""
        if told.what == OVER and not state:
            raise Violation("nobody has paid")
        return state or (told.what == "pays" and _ledgers(told.value)[0] == "paid")


class NothingLeft:
    """When all is over, nothing is on the server that refuses the lock to anybody.

    Args:
        keys: what refuses it.
    """

    first = None

    def __init__(self, *keys: str) -> None:
        self._keys = set(keys)

    def see(self, state: None, told: Told) -> None:
        """Follow one event."""
        left = self._keys.intersection(_names(told.value)) if told.what == OVER else ()
        if left:
            raise Violation(f"all is over, and {' and '.join(sorted(left))} is left behind")
        return state


class NothingEndsByItself:
    """Nobody must wait until a key ends by itself, when nobody crashed and nothing was let expire.

    Args:
        keys: the keys.
    """

    first = None

    def __init__(self, *keys: str) -> None:
        self._keys = set(keys)

    def see(self, state: None, told: Told) -> None:
        """Follow one event."""
        if told.actor in self._keys and told.what == "expires":
            raise Violation(f"{told.actor} was left behind for others to wait for its end")
        return state


class InOrder:
    """Whoever comes first enters first.

    Args:
        first: who is there already.
    """

    def __init__(self, first: tuple[str, ...] = ()) -> None:
        self.first = first

    def see(self, state: tuple[str, ...], told: Told) -> tuple[str, ...]:
        """Follow one event."""
        if told.what == "comes" and told.actor not in state:
            return (*state, told.actor)
        if told.what == "enters" and told.actor != state[0]:
            raise Violation(f"{told.actor} enters before {state[0]}, who came first")
        return tuple(actor for actor in state if actor != told.actor) if told.what in ("enters", "gives up") else state


class BelievedNoLonger:
    """Nobody believes in a lock for longer than the server keeps it."""

    first = None

    def see(self, state: None, told: Told) -> None:
        """Follow one event."""
        if told.what == "believes too long in the lock":
            raise Violation(f"{told.actor} believes in its lock for longer than the server keeps it")
        return state


class _Holders(NamedTuple):
    holder: str = ""
    without: frozenset[str] = frozenset()  # their lock was taken away
    overtaken: frozenset[str] = frozenset()  # and another has been inside since
    told: frozenset[str] = frozenset()  # and they know it


class LossesAreTold:
    """Whose lock was taken away hears of it if another was inside meanwhile, and once; nobody else ever does.

    Args:
        lock: the key whose end takes the lock away.
        all_told: whether everybody hears of it; not who gave it back without an answer, if that may happen as well.
    """

    first = _Holders()

    def __init__(self, lock: str, *, all_told: bool = True) -> None:
        self._lock, self._all_told = lock, all_told

    def see(self, state: _Holders, told: Told) -> _Holders:
        """Follow one event."""
        actor = told.actor
        if actor == self._lock and told.what in ENDS:
            lost = {state.holder} - {""}
            return state._replace(holder="", without=state.without | lost)
        if told.what == "enters":
            return state._replace(holder=actor, overtaken=state.without - {actor})
        hears = told.what == "is told of the loss"
        if hears and actor in state.told:
            raise Violation(f"{actor} was told twice that its lock is lost")
        if (hears or told == Told(actor, "raises", "LockLost")) and actor not in state.without:
            raise Violation(f"{actor} was told that its lock is lost, and nothing took it away")
        if told.what == "is told that the lock is its own" and actor in state.without:
            raise Violation(f"{actor} was told that the lock is its own, which was taken away")
        if told.what == "has given it back" and actor in state.overtaken and self._all_told:
            raise Violation(f"{actor} gave its lock back in peace, though another was inside meanwhile")
        if hears:
            return state._replace(told=state.told | {actor})
        over = told.what in ("has given it back", "raises") and state.holder == actor
        return state._replace(holder="") if over else state


def _number(value: Any) -> int:
    return int(value)


def _ledgers(value: Any) -> tuple[str, int]:
    return value[0], value[1]


def _trusting(value: Any) -> int:
    return int(value[3])


def _names(value: Any) -> tuple[str, ...]:
    return tuple(value)
