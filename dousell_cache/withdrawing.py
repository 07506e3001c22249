"""Withdraw keys, tags or a prefix; and what could not be withdrawn, before anything is trusted again."""

from contextlib import suppress
from functools import partial

from .context import Call, Context
from .debts import Due, Withdrawal
from .errors import CacheError, CacheUnavailable, CommandRefused
from .events import Invalidation
from .flights import INTERRUPTED, Flight, Landing
from .scanning import with_prefix


async def pay(call: Call) -> bool:
    """Replay the invalidations that this process owes, and return whether the cache may be trusted again.

    What does not fit into the patience of this call is left to the next. A prefix, which takes as long as the server is
    large, is paid behind everybody's back, and nothing is trusted until it is.
    """
    debts = call.context.debts
    try:
        while due := debts.due():
            if due.withdrawal.prefix is not None:
                call.context.flights.start(_PREFIX, partial(_pay_prefix, call.context, due))
                return False
            try:
                await withdraw(call, due.withdrawal, replayed=True)
            except CommandRefused:  # by a server that is well; of what went together, some may yet be taken
                for one in due.each():
                    with suppress(CommandRefused):
                        await withdraw(call, one.withdrawal, replayed=True)
            debts.paid(due)
    except CacheError:
        return False
    return True


_PREFIX = ""  # no key


async def _pay_prefix(context: Context, due: Due, _: Flight) -> Landing:
    call = Call(context)
    call.take_time()
    with suppress(CacheUnavailable):  # then the next read begins anew
        with suppress(CommandRefused):
            await withdraw(call, due.withdrawal, replayed=True)
        context.debts.paid(due)
    return INTERRUPTED


async def withdraw(call: Call, withdrawal: Withdrawal, *, replayed: bool = False) -> int:
    """Withdraw keys, tags or a prefix, tell the observers, and return how much there was.

    Args:
        call: the call this is part of.
        withdrawal: what to withdraw.
        replayed: whether it is owed since earlier. A replay waits until the breaker lets somebody try; who asks for an
            invalidation himself is always sent, even to a server that is taken for dead.

    Raises:
        CacheUnavailable: the server did not confirm.
    """
    started, commands, delivered = call.context.clock.now(), call.store.commands, False
    _forget_near(call, withdrawal)
    try:
        withdrawn = await _withdraw(call, withdrawal, insist=not replayed)
        delivered = True
    finally:
        _forget_near(call, withdrawal)  # once more: what was read meanwhile
        commands = call.store.commands - commands
        if commands or not replayed:
            seconds = call.context.clock.now() - started
            keys, tags, prefix, soft = withdrawal.keys, withdrawal.tags, withdrawal.prefix, withdrawal.soft
            call.context.emit(Invalidation(keys, delivered, seconds, commands, tags, prefix, soft, replayed))
    return withdrawn


async def _withdraw(call: Call, withdrawal: Withdrawal, *, insist: bool) -> int:
    if withdrawal.tags:
        word = call.context.token()
        await call.store.move(withdrawal.tags, word, soft=withdrawal.soft, insist=insist)
    remove = call.store.soften if withdrawal.soft else call.store.delete
    withdrawn = await remove(withdrawal.keys, insist=insist) if withdrawal.keys else 0
    if withdrawal.prefix is not None:
        # Twice: what a load stores while the first scan runs may lie where it has been already.
        for _ in range(2):
            async for keys in with_prefix(call.store, withdrawal.prefix):
                withdrawn += await remove(keys, insist=insist)
    return withdrawn


def _forget_near(call: Call, withdrawal: Withdrawal) -> None:
    near = call.context.near
    if near is None:
        return
    if withdrawal.prefix is not None:
        near.flush()
    near.forget(withdrawal.keys, withdrawal.tags)
