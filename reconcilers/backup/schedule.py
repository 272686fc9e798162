"""When a schedule is due: cron fields in a time zone, as moments in UTC. Pure.

Daylight saving as in Debian's cron: a run at a fixed time that the clocks skip is made right after, one that they show
twice is made once; runs each so many minutes or hours go by real time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

#: What the words stand for.
_WORDS: Mapping[str, str] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

#: How far back the newest missed slot is looked for at first, and then ever further: a schedule of each minute that
#: nobody looked after for a year has half a million of them.
_BACK = (timedelta(hours=1), timedelta(days=1), timedelta(days=32), timedelta.max)


#: How many slots the longest gap is looked for in at least: those of a month by its days, or a year by its months.
_SLOTS = 40


class ScheduleError(ValueError):
    """The schedule or its time zone means nothing; `reason` is the word for programs."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Schedule:
    """Moments in UTC, made of cron fields in a time zone; `parse` checks both."""

    fields: str
    zone: tzinfo

    @classmethod
    def parse(cls, schedule: str, time_zone: str) -> Schedule:
        """The schedule as the specification writes it, five fields or a word. Raises ScheduleError."""
        try:
            zone = ZoneInfo(time_zone)
        except (KeyError, ValueError, OSError):
            text = f'"{time_zone}" is no time zone: write a name of the IANA database, such as UTC or Europe/Berlin'
            raise ScheduleError("UnknownTimeZone", text) from None
        # As in the schedule of a CronJob, a question mark stands for a star.
        fields = _WORDS.get(schedule, schedule).replace("?", "*")
        parsed = cls(fields, zone if time_zone != "UTC" else UTC)
        try:
            CronSim(fields, datetime(2000, 1, 1, tzinfo=UTC))
        except CronSimError as error:
            words = str(error)
            text = (
                f'"{schedule}" is no schedule ({words[:1].lower()}{words[1:]}): write minute, hour, day of month, '
                "month and day of week, such as 0 3 * * *, or @daily"
            )
            raise ScheduleError("InvalidSchedule", text) from None
        parsed.next_after(datetime(2000, 1, 1, tzinfo=UTC))
        return parsed

    def next_after(self, moment: datetime) -> datetime:
        """The first slot later than `moment`. Raises ScheduleError when there is none within fifty years."""
        return next(self._after(moment))

    def has(self, slot: datetime) -> bool:
        """Whether `slot` is one of this schedule's."""
        return self.next_after(slot - timedelta(seconds=1)) == slot

    def newest(self, first: datetime, now: datetime) -> datetime:
        """The last slot up to `now`, given that `first`, not later than `now`, is one."""
        for back in _BACK:
            last = first
            for slot in self._after(first if now - first < back else now - back):
                if slot > now:
                    break
                last = slot
            if last > first:
                return last
        return first

    def longest_gap(self) -> timedelta:
        """The longest time between two slots: over a week with its nights, or more where they are rarer."""
        start = last = self.next_after(datetime(2000, 1, 1, tzinfo=UTC))
        gap = timedelta(0)
        for number, slot in enumerate(self._after(start)):
            gap, last = max(gap, slot - last), slot
            if number > _SLOTS and slot - start > timedelta(days=8):
                break
        return gap

    def _after(self, moment: datetime) -> Iterator[datetime]:
        last = moment
        for local in CronSim(self.fields, moment.astimezone(self.zone)):
            # Counted by the clock on the wall, which shows some times twice.
            slot = local.astimezone(UTC)
            if slot > last:
                yield slot
                last = slot
        raise ScheduleError("NeverDue", f"the schedule {self.fields} names a day that never comes")


@dataclass(frozen=True, slots=True)
class Due:
    """What a schedule says now: the slot that a backup has to be made for, if any, and when it is due next."""

    slot: datetime | None
    next: datetime


def due(schedule: Schedule, planned: datetime | None, *, changed: bool, now: datetime) -> Due:
    """What is due `now`, where the last pass `planned` the next slot (None: it planned none).

    Of slots that were missed the newest is due, the others are given up. When the specification has `changed`, what was
    planned by the former one holds only where it is a slot of this one that is due already.
    """
    following = schedule.next_after(now)
    if planned is None or (changed and not (planned <= now and schedule.has(planned))):
        return Due(None, following)
    if planned > now:
        return Due(None, planned)
    return Due(schedule.newest(planned, now), following)
