"""
The results of hooks' tests as JUnit XML, which build servers read.
"""

import re
from collections.abc import Iterable
from xml.etree import ElementTree

from hookd.cases import Result
from hookd.errors import Problem

# What XML 1.0 cannot say, not even escaped.
_UNSAYABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(results: Iterable[Result], problems: Iterable[Problem]) -> bytes:
    """
    Return *results*, and files that are no cases as errors, as an XML document.
    """
    suite = ElementTree.Element("testsuite", name="hookd")
    for result in results:
        _add_result(suite, result)
    for problem in problems:
        element = ElementTree.SubElement(suite, "testcase", classname="hookd", name=_said(problem.file), time="0")
        ElementTree.SubElement(element, "error", message=_said(problem))
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    suite.set("time", f"{sum(float(element.get('time', 0)) for element in suite):.3f}")
    ElementTree.indent(suite)
    return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)) + b"\n"


def _add_result(suite: ElementTree.Element, result: Result) -> None:
    case, run = result.case, result.run
    seconds = f"{run.times_ms['total'] / 1000:.3f}"
    element = ElementTree.SubElement(suite, "testcase", classname=case.point.name, name=_said(case.name), time=seconds)
    if result.differences:
        lines = [*map(str, result.differences), *([str(run.error)] if run.error else [])]
        failure = ElementTree.SubElement(element, "failure", message=_said(lines[0]))
        failure.text = _said("\n".join(lines))
    if run.printed:
        ElementTree.SubElement(element, "system-out").text = _said(run.printed)


def _said(text: object) -> str:
    return _UNSAYABLE.sub("�", str(text))
