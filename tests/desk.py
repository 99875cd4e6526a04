"""Checkly as a desk that takes notes: answers triggers in every way, without a network, and may be where one dies."""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from recorder.errors import NotSent, PerhapsSent, Refused, TryLater
from recorder.models import Fire
from recorder.payloads import TriggerAnswer, parse_trigger_answer
from tests.factories import running

ANSWERS = ("sessions", "nothing", "lost", "reset", "unreadable", "rate_limited", "not_sent", "refused")


class Killed(BaseException):
    """The process has died here."""


@dataclass(frozen=True)
class Post:
    """A trigger that the desk acted on."""

    fire_pk: int
    sessions: tuple[str, ...]


@dataclass
class Desk:
    """Checkly: answers each trigger as it was told to, and remembers what it acted on."""

    engine: Engine
    answers: list[str] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    deadly: str | None = None
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def reached(self, point: str) -> None:
        """Die here if this is the point to die at."""
        if point == self.deadly:
            self.deadly = None
            raise Killed(point)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def trigger(self, _body: bytes, *, allow_everything: bool = False) -> TriggerAnswer:
        """Take one trigger; its intent must be committed, and be the only one there is."""
        self.reached("before_post")
        [(fire_pk,)] = self._intents()
        answer = self.answers.pop(0) if self.answers else "sessions"
        if answer == "not_sent":
            raise NotSent("nobody is there", reason="network")
        if answer == "rate_limited":
            raise TryLater("slow down", reason="rate_limited", http_status=429, retry_after_s=0)
        if answer == "refused":
            raise Refused("who are you", reason="401", http_status=401)
        if answer == "nothing":
            return TriggerAnswer((), (), 404, b"{}")
        if answer == "reset":
            raise PerhapsSent("the connection broke", reason="conn_reset")
        return self._act(fire_pk, answer)

    def _act(self, fire_pk: int, answer: str) -> TriggerAnswer:
        names = [f"session {next(self._numbers)}" for _ in range(2)]
        self.posts.append(Post(fire_pk, tuple(names)))
        if answer == "lost":
            raise PerhapsSent("no answer in time", reason="read_timeout")
        if answer == "unreadable":
            raise PerhapsSent("half an answer", reason="bad_body", http_status=201, body=b'{"sess')
        self.reached("after_post")
        body = json.dumps({"sessions": [running(name) for name in names]}).encode()
        return parse_trigger_answer(body, http_status=201)

    def _intents(self) -> Sequence[Any]:
        with Session(self.engine) as db_session:
            return db_session.execute(select(Fire.pk).where(Fire.state == "intent")).all()
