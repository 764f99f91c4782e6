"""
Every known way out has its test: the numbered ideas of the escape corpus, and where each is tried.

Ideas 001 to 164 are hooks, one file or more each in `tests/attacks`; the numbers have gaps. F01 to F25 are ideas about
the processes around a hook. F08 to F11 (http, bitrix, store, audio) come with the tools that they are about.
"""

import ast
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

HERE = Path(__file__).parent

HOOKS = """
    001 002 004 005 007 008 010 011 013 014 016 017 019 020 022 023 025 026 028 029 031 032 034 035 037 038 040 041 043
    044 046 047 049 050 052 053 055 056 058 059 061 062 064 065 067 068 070 071 073 074 076 077 079 080 082 083 085 086
    088 089 091 092 094 095 097 098 100 101 103 104 106 107 109 110 112 113 115 116 118 119 121 122 124 125 127 128 130
    131 133 134 136 137 139 140 142 143 145 146 148 149 151 152 154 155 157 158 160 161 163 164
"""

AROUND: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # What a hook hands to functions of the host: hidden parameters, own callables, objects that lie.
        "F01": ("attacks/052b_kwargs_to_host.py",),
        "F02": ("attacks/002_getattr_runtime_name.py", "attacks/013_map_getattr.py"),
        "F03": ("attacks/164_lying_text.py", "attacks/149_dict_subclass.py", "attacks/x25_index_reentrancy.py"),
        # The channel: floods, forged and unasked messages, broken frames, JSON against the broker's parser.
        "F04": ("raw_attacks/print_flood.py", "raw_attacks/print_flood_small.py", "raw_attacks/frame_flood.py"),
        "F05": ("raw_attacks/forged_done_twice.py", "raw_attacks/forged_ready.py", "raw_attacks/forged_checked.py"),
        "F06": ("raw_attacks/frame_huge.py", "raw_attacks/frame_truncated.py", "raw_attacks/frame_slow.py"),
        "F07": ("test_frames.py::test_a_run_has_one_end", "raw_attacks/forged_depth.py"),
        # F12, time as a side channel, is accepted: a hook may know the time.
        "F13": ("raw_attacks/random_numbers.py", "test_state_bleed.py::test_random_numbers_are_nobody_elses"),
        "F14": (
            "attacks/x36_generator_after_run.py",
            "test_state_bleed.py::test_the_second_run_finds_nothing_of_the_first",
            "raw_attacks/finalizer.py",
        ),
        "F15": ("raw_attacks/secrets_in_memory.py", "raw_attacks/environment.py"),
        # F16, learning the jail from its refusals, is accepted: they are in the documentation.
        "F17": ("raw_attacks/read_channel.py", "raw_attacks/stop_itself.py", "raw_attacks/wait_forever.py"),
        "F18": ("test_frames.py::test_an_answer_at_the_deadline_is_an_answer_or_late",),
        "F19": ("test_hostile_hooks.py::test_100_endless_calls_leave_room_for_the_good",),
        # The source and its language.
        "F20": ("attacks/x46_type_parameter.py",),
        "F21": ("test_hooks.py::test_suspicious_text_is_refused",),
        "F22": ("attacks/046_from_json_codecs.py", "attacks/047_from_re_enum.py"),
        "F23": ("attacks/051_dunder_import.py", "test_language.py::test_a_warm_process_needs_no_file"),
        "F24": ("attacks/032_error_obj.py", "attacks/032b_error_name.py", "attacks/036c_context.py"),
        "F25": (
            "attacks/152_log_injection.py",
            "test_hostile_hooks.py::test_a_flood_of_prints_is_cut",
            "test_language.py::test_prints_are_kept_capped_and_escaped",
        ),
    }
)


@pytest.mark.parametrize("number", HOOKS.split())
def test_every_hook_of_the_corpus_is_tried(number: str) -> None:
    """
    Each number has a file, which the tests of the language layer and of real workers run.
    """
    assert list((HERE / "attacks").glob(f"{number}*.py"))


@pytest.mark.parametrize("number", AROUND)
def test_every_idea_around_a_hook_is_tried(number: str) -> None:
    """
    Each idea names attacks and tests that there are.
    """
    for place in AROUND[number]:
        file, _, test = place.partition("::")
        path = HERE / file

        assert path.is_file(), place
        if test:
            functions = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
            assert test in functions, place
