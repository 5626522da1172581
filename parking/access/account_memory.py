"""AccountStore in memory, for tests."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from parking.access.account_store import (
    SIGN_INS_EACH,
    Account,
    Entry,
    Expiry,
    account_exists,
    no_account,
    require_admin,
)
from parking.access.rights import EVERY, Grants, Role


@dataclass(slots=True)
class _SignIn:
    name: str
    address: str
    created_at_ms: int
    seen_at_ms: int


@dataclass(slots=True)
class MemoryAccounts:
    """See account_store.AccountStore."""

    _accounts: dict[str, Account] = field(default_factory=dict)
    _hashes: dict[str, str] = field(default_factory=dict)
    _sign_ins: dict[str, _SignIn] = field(default_factory=dict)
    _links: dict[str, tuple[str, int]] = field(default_factory=dict)
    _subjects: dict[str, tuple[str, str]] = field(default_factory=dict)
    _entries: list[Entry] = field(default_factory=list)

    async def accounts(self) -> Sequence[Account]:
        """See AccountStore."""
        return [self._accounts[name] for name in sorted(self._accounts)]

    async def create_first(self, name: str, password_hash: str, now_ms: int) -> bool:
        """See AccountStore."""
        if self._accounts:
            return False
        self._accounts[name] = Account(name, {EVERY: Role.ADMIN}, now_ms, has_password=True)
        self._hashes[name] = password_hash
        return True

    async def add(self, name: str, grants: Grants, now_ms: int) -> None:
        """See AccountStore."""
        if name in self._accounts:
            raise account_exists(name)
        self._accounts[name] = Account(name, dict(grants), now_ms, has_password=False)

    async def grant(self, name: str, grants: Grants) -> None:
        """See AccountStore."""
        changed = replace(self._known(name), grants=dict(grants))
        require_admin([*{**self._accounts, name: changed}.values()])
        self._accounts[name] = changed

    async def remove(self, name: str) -> None:
        """See AccountStore."""
        self._known(name)
        require_admin([a for n, a in self._accounts.items() if n != name])
        del self._accounts[name]
        self._hashes.pop(name, None)
        self._subjects.pop(name, None)
        self._end(name)

    async def password_hash(self, name: str) -> str | None:
        """See AccountStore."""
        return self._hashes.get(name)

    async def set_password(self, name: str, password_hash: str) -> None:
        """See AccountStore."""
        self._accounts[name] = replace(self._known(name), has_password=True)
        self._hashes[name] = password_hash
        self._end(name)

    async def sign_in(self, token: str, name: str, address: str, now_ms: int) -> None:
        """See AccountStore."""
        self._known(name)
        self._sign_ins[token] = _SignIn(name, address, now_ms, now_ms)
        own = [key for key, one in self._sign_ins.items() if one.name == name]
        for key in own[:-SIGN_INS_EACH]:
            del self._sign_ins[key]

    async def signed_in(self, token: str, expiry: Expiry, now_ms: int) -> Account | None:
        """See AccountStore."""
        one = self._sign_ins.get(token)
        if one is None or _expired(one, expiry, now_ms):
            return None
        one.seen_at_ms = now_ms
        return self._accounts[one.name]

    async def sign_out(self, token: str) -> None:
        """See AccountStore."""
        self._sign_ins.pop(token, None)

    async def add_link(self, token: str, name: str, expires_at_ms: int) -> None:
        """See AccountStore."""
        self._known(name)
        self._links = {key: one for key, one in self._links.items() if one[0] != name}
        self._links[token] = (name, expires_at_ms)

    async def use_link(self, token: str, password_hash: str, now_ms: int) -> str | None:
        """See AccountStore."""
        name, expires_at_ms = self._links.get(token, ("", 0))
        if expires_at_ms <= now_ms:
            return None
        await self.set_password(name, password_hash)
        return name

    async def subject_account(self, issuer: str, subject: str) -> str | None:
        """See AccountStore."""
        wanted = (issuer, subject)
        return next((name for name, one in self._subjects.items() if one == wanted), None)

    async def link_subject(self, name: str, issuer: str, subject: str) -> bool:
        """See AccountStore."""
        wanted, known = (issuer, subject), self._subjects.get(name)
        owner = await self.subject_account(issuer, subject)
        if name not in self._accounts or owner not in (None, name):
            return False
        if known is not None and known[0] == issuer and known != wanted:
            return False
        self._subjects[name] = wanted
        self._accounts[name] = replace(self._accounts[name], linked=True)
        return True

    async def note(self, entry: Entry) -> None:
        """See AccountStore."""
        last = self._entries[-1].id if self._entries else 0
        self._entries.append(replace(entry, id=last + 1))

    async def audit(self, limit: int, before_id: int | None) -> Sequence[Entry]:
        """See AccountStore."""
        older = [e for e in self._entries if before_id is None or e.id < before_id]
        return older[::-1][:limit]

    async def tidy(self, expiry: Expiry, audit_before_ms: int, now_ms: int) -> None:
        """See AccountStore."""
        self._sign_ins = {
            key: one for key, one in self._sign_ins.items() if not _expired(one, expiry, now_ms)
        }
        self._links = {key: one for key, one in self._links.items() if one[1] > now_ms}
        self._entries = [one for one in self._entries if one.time_ms >= audit_before_ms]

    def _known(self, name: str) -> Account:
        if name not in self._accounts:
            raise no_account(name)
        return self._accounts[name]

    def _end(self, name: str) -> None:
        self._sign_ins = {key: one for key, one in self._sign_ins.items() if one.name != name}
        self._links = {key: one for key, one in self._links.items() if one[0] != name}


def _expired(one: _SignIn, expiry: Expiry, now_ms: int) -> bool:
    idle = now_ms - one.seen_at_ms >= expiry.idle_ms
    return idle or now_ms - one.created_at_ms >= expiry.most_ms
