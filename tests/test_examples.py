"""
The example hooks: one a point, read at a glance, without effect until somebody sets them, and with an effect then.

They run as calls would run them: through a runner, in workers of a real pool.
"""

import ast
import asyncio
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookd import cases, contract, samples
from hookd.cases import Case
from hookd.documents import Json
from hookd.hook_settings import ALL_HOOKS
from hookd.hooks import SETTINGS_FILE
from hookd.points import EVENTS, JOBS, PLACEMENTS, POINTS, Point, job_names, names_in, work_point
from hookd.review import review
from hookd.runs import Run
from hookd.service import Service
from hookd.settings import DEFAULT_SITE, load
from hookd.sites import Site

ROOT = Path(__file__).parent.parent
HOOKS = ROOT / "hooks"
LINES_MAX = 40
CASES_MIN = 3

WEDNESDAY_NIGHT = "2025-03-12T22:00:00+03:00"
WEDNESDAY_NOON = "2025-03-12T12:00:00+03:00"

_SETTING = re.compile(r"^#(?=\S)", re.MULTILINE)  # what settings.toml says of itself: # and no space
_READ = re.compile(r"settings\.get\(\"(\w+)\"")

SETTINGS_TEXT = (HOOKS / SETTINGS_FILE).read_text("utf-8")
SHOWN = tomllib.loads(_SETTING.sub("", SETTINGS_TEXT))
CASES = cases.load(HOOKS / cases.FOLDER)

JOB_HOOKS = [work_point(JOBS, name) for name in job_names(HOOKS)]

PLACEMENT_HOOKS = [work_point(PLACEMENTS, name) for name in names_in(HOOKS, PLACEMENTS)]
EVENT_HOOKS = [work_point(EVENTS, path.stem) for path in sorted((HOOKS / EVENTS).glob("*.py"))]

each_job = pytest.mark.parametrize("job", JOB_HOOKS, ids=lambda job: job.name)
each_point = pytest.mark.parametrize("point", POINTS.values(), ids=lambda point: point.name)


class Examples:
    """
    The examples in force, on a site whose settings are *config*.
    """

    def __init__(self, directory: Path, config: str = "") -> None:
        (directory / "hookd.toml").write_text(f'hooks = "{HOOKS}"\nworkers_max = 2\n{config}')
        self._asyncio = asyncio.Runner()
        self._service = Service(load(directory / "hookd.toml", directory), keeps=False)
        self._asyncio.run(self._service.start(follow=False))

    @property
    def site(self) -> Site:
        site = self._service.sites.get(DEFAULT_SITE)
        assert site
        return site

    def run(self, point: Point, request: Json, settings: dict[str, Json], now: str | None = None) -> Run:
        async def run() -> Run:
            started = asyncio.get_running_loop().time()
            return await self._service.runner.run(
                self.site, point, request, started=started, settings=settings, now=now
            )

        return self._asyncio.run(run())

    def run_samples(self, point: Point, settings: dict[str, Json]) -> dict[str, Run]:
        """Return the run of each sample of *point*, by its name."""
        return {name: self.run(point, samples.sample(point, name), settings) for name in samples.names(point)}

    def run_case(self, case: Case) -> cases.Result:
        async def run() -> cases.Result:
            started = asyncio.get_running_loop().time()
            return await cases.run(self._service.runner, self.site, case, started=started)

        return self._asyncio.run(run())

    def stop(self) -> None:
        self._asyncio.run(self._service.stop())
        self._asyncio.close()


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Examples]:
    started = Examples(tmp_path_factory.mktemp("examples"))
    yield started
    started.stop()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Examples]:
    """
    The examples on a site that works from nine to six.
    """
    started = Examples(tmp_path, '[site]\ntime_zone = "Europe/Moscow"\nhours = { mon-fri = "09:00-18:00" }\n')
    yield started
    started.stop()


def source(point: Point) -> str:
    return (HOOKS / f"{point.name}.py").read_text("utf-8")


def shown_settings(point: Point) -> dict[str, Json]:
    return {**SHOWN[ALL_HOOKS], **SHOWN[point.name]}


@each_point
def test_every_point_has_an_example_that_is_read_at_a_glance(point: Point) -> None:
    """
    One file a point, of 40 lines at most, that first says what it does.
    """
    text = source(point)

    assert len(text.splitlines()) <= LINES_MAX
    assert ast.get_docstring(ast.parse(text))


@each_point
def test_every_point_has_cases(point: Point) -> None:
    """
    Each example shows how hooks are tested: nothing set, something set, and a request without the call.
    """
    own = [case for case in CASES if case.point is point]

    assert len(own) >= CASES_MIN
    assert [case.settings for case in own if case.name == "nothing-is-set"] == [{}]
    assert any(case.settings and "call_full" not in case.request for case in own)


def test_a_check_finds_nothing(examples: Examples) -> None:
    """
    No problem, no warning, no lib file that nobody imports.
    """
    found = review(examples.site)

    assert sorted(hook.name for hook in found.hooks) == sorted(
        [*POINTS, *(hook.name for hook in (*JOB_HOOKS, *EVENT_HOOKS, *PLACEMENT_HOOKS))]
    )
    assert found.broken == ()
    assert found.findings == ()


@each_point
def test_without_settings_every_call_stays_as_it_is(examples: Examples, point: Point) -> None:
    """
    Serving the repository as it is changes nothing, whatever the call, and says nothing.
    """
    for name, run in examples.run_samples(point, {}).items():
        request = contract.read_request(point, samples.sample(point, name))
        reply = contract.envelope(contract.unchanged(request))

        assert (run.outcome, run.reply, run.warnings, run.printed) == ("unchanged", reply, (), ""), name


@each_point
def test_the_settings_that_are_shown_work_together(examples: Examples, point: Point) -> None:
    """
    With every comment of settings.toml taken away no call fails or is warned of, and some are changed.
    """
    runs = examples.run_samples(point, shown_settings(point))

    assert {name: str(run.error) for name, run in runs.items() if run.outcome == "fallback"} == {}
    assert {name: run.warnings for name, run in runs.items() if run.warnings} == {}
    assert any(run.outcome in ("ok", "cancelled") or run.printed for run in runs.values())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.point.name}/{case.name}")
def test_a_case_passes(examples: Examples, case: Case) -> None:
    """
    What the cases of the examples expect, happens, without a warning.
    """
    result = examples.run_case(case)

    assert [str(difference) for difference in result.differences] == []
    assert result.run.warnings == ()


def test_settings_are_comments() -> None:
    """
    settings.toml has a table for every hook and one for all, and sets nothing.
    """
    tables = tomllib.loads(SETTINGS_TEXT)

    assert tables == {name: {} for name in (ALL_HOOKS, *POINTS)} | {
        EVENTS: {hook.entry: {} for hook in EVENT_HOOKS},
        PLACEMENTS: {hook.entry: {} for hook in PLACEMENT_HOOKS},
    }


@each_point
def test_settings_are_told(point: Point) -> None:
    """
    What a hook reads is shown in settings.toml and named in the hook's own words, and nothing else is shown.
    """
    read = set(_READ.findall(source(point)))
    docstring = ast.get_docstring(ast.parse(source(point))) or ""

    assert read - set(SHOWN[ALL_HOOKS]) == set(SHOWN[point.name])
    assert read == {key for key in read if re.search(rf"\b{key}\b", docstring)}
    assert source(point).count("settings.get(") == len(_READ.findall(source(point)))
    assert "settings[" not in source(point)  # it would end the run where the key is not set


def test_settings_for_all_are_read() -> None:
    """
    What stands in the table for all hooks is shared by at least two.
    """
    for key in SHOWN[ALL_HOOKS]:
        assert len([hook.name for hook in (*POINTS.values(), *JOB_HOOKS) if key in _READ.findall(source(hook))]) >= 2


@each_job
def test_a_job_is_as_plain_as_a_point(job: Point) -> None:
    """
    A job's example is read at a glance, tells its settings, and has cases with and without them.
    """
    text = source(job)
    docstring = ast.get_docstring(ast.parse(text)) or ""
    own = [case.settings for case in CASES if case.point == job]

    assert len(text.splitlines()) <= LINES_MAX
    assert {key for key in _READ.findall(text) if key in docstring} == set(_READ.findall(text)) <= set(SHOWN[ALL_HOOKS])
    assert {} in own
    assert any(own) or not _READ.findall(text)


@pytest.mark.parametrize("hook", EVENT_HOOKS, ids=lambda hook: hook.name)
def test_a_hook_of_events_is_as_plain_as_a_point(hook: Point) -> None:
    """
    An event's example is read at a glance, tells its settings, shows them, and has cases with and without them.
    """
    text = source(hook)
    docstring = ast.get_docstring(ast.parse(text)) or ""
    own = [case.settings for case in CASES if case.point == hook]

    assert len(text.splitlines()) <= LINES_MAX
    assert {key for key in _READ.findall(text) if key in docstring} == set(SHOWN[EVENTS][hook.entry])
    assert {} in own
    assert any(own)


@pytest.mark.parametrize(
    ("now", "number"), [(WEDNESDAY_NOON, "103"), (WEDNESDAY_NIGHT, "199")], ids=["at noon", "at night"]
)
def test_calls_out_of_hours_ring_the_duty_extension(office: Examples, now: str, number: str) -> None:
    """
    The site's hours decide, before anything else does.
    """
    point = POINTS["customize_autodistribution"]
    settings = {"duty_extension": 199, "manager_by_client": {samples.CLIENT_NUMBER: 103}}

    run = office.run(point, samples.sample(point, "incoming"), settings, now)

    assert run.reply["data"]["number"] == number


@pytest.mark.parametrize(
    ("now", "asked"),
    [
        (WEDNESDAY_NOON, ["store.get extension of 5", "bitrix.call user.get", "store.set extension of 5"]),
        (WEDNESDAY_NIGHT, []),
    ],
    ids=["at noon", "at night"],
)
def test_the_responsible_is_looked_for_in_the_working_hours(office: Examples, now: str, asked: list[str]) -> None:
    """
    Where the duty extension rings anyway, nobody waits for the portal.
    """
    point = POINTS["customize_autodistribution"]
    settings: dict[str, Json] = {"duty_extension": 199, "responsible": True}

    run = office.run(point, samples.sample(point, "incoming"), settings, now)

    assert [call.name for call in run.calls] == asked


def test_a_task_is_due_within_the_working_hours(office: Examples) -> None:
    """
    A call that is missed at night is to be called back half an hour after the office has opened.
    """
    point = POINTS["process_task_creation_params"]

    run = office.run(point, samples.sample(point, "incoming-missed"), {"call_back_within": 30}, WEDNESDAY_NIGHT)

    assert run.reply["data"]["fields"]["DEADLINE"] == "2025-03-13T09:30:00+03:00"


@pytest.mark.parametrize("page", PLACEMENT_HOOKS, ids=lambda page: page.name)
def test_a_page_shows_nothing_until_it_is_set(examples: Examples, page: Point) -> None:
    """
    In every place that it is for, and it says what its settings are.
    """
    for name in cases.sample_names(page):
        run = examples.run(page, cases.sample(page, name), {})

        assert (run.outcome, run.warnings, run.printed, run.calls) == ("unchanged", (), "", []), name
    assert [case.name for case in CASES if case.point.name == page.name and case.settings == {}] == ["nothing-is-set"]
