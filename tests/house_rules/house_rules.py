#!/usr/bin/env python3
"""Rules of this tree that no compiler checks. Prints what breaks them; exits 1 when anything does.

Usage: house_rules.py ROOT
"""

import os
import re
import sys

PROGRAMS = ("dfdaemon", "scheduler", "manager")
SOURCES = ("common",) + PROGRAMS + ("tests",)
EDGES = ("rpc", "proxy", "rest", "cli")

# Capabilities may include those of their own rank or below, never one of a higher rank. Folders that
# are not named have rank 1.
RANKS = {
    "dfdaemon": {"storage": 0, "source": 0, "pacing": 0, "transfer": 0, "cluster": 1, "piece": 1,
                 "parents": 2, "output": 2, "task": 3, "gc": 3},
    "scheduler": {"swarm": 0, "cluster": 0, "selection": 1, "seeding": 1, "replication": 1,
                  "jobs": 2, "gc": 2},
    "manager": {"database": 0, "cache": 0, "access": 1, "clusters": 1, "jobs": 2, "gc": 2},
}

# Where Protobuf messages and gRPC may be seen.
RPC_FOLDERS = ("rpc", "cluster", "jobs", "cli")
RPC_FILES = ("common/daemon/grpc_server_metrics.cc",)  # Lists the methods that are counted.

MAX_LINES = 500
MAX_TEST_LINES = 600
MAX_README_LINES = 15
MAX_FILE_BYTES = 1024 * 1024

# (what, pattern, replacement, allowed in tests)
BANNED = (
    ("sleep_for", r"\bsleep_for\b|\bsleep_until\b|\busleep\(", "wait for the condition, with a "
     "deadline (common/async/notifier.h; in tests WaitFor)", False),
    ("std::regex", r"\bstd::regex", "RE2: std::regex takes exponential time and stack", True),
    ("asio::detached", r"\basio::detached\b", "TaskGroup owns every coroutine", False),
    ("rand", r"(?<![\w:.>])s?rand\(|\bstd::s?rand\(", "common/base/random.h", False),
    ("std::mutex", r"\bstd::(mutex|recursive_mutex|lock_guard|scoped_lock|condition_variable)\b",
     "common/base/mutex.h, which thread-safety analysis sees", True),
    ("detach", r"\.detach\(\)", "every thread has an owner that joins it", False),
    ("TODO", r"\bTODO\b(?!\(#\d+\))", "TODO(#number) of an issue", False),
)

# The only places where a rule does not hold, each with its reason.
ALLOWED = {
    ("common/testing/wait_for.cc", "sleep_for"): "the one polling loop, for other processes",
    ("common/async/task_group.cc", "asio::detached"): "the owner of coroutines",
    ("common/async/task_group.h", "asio::detached"): "the owner of coroutines",
    ("common/base/mutex.h", "std::mutex"): "what the annotated mutex is made of",
    ("common/log/open_log.cc", "std::mutex"): "template argument of spdlog's sink",
}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
COMMENT = re.compile(r"//.*$")
TEXT = re.compile(r'R"(\w*)\(.*?\)\1"|"(?:[^"\\]|\\.)*"', re.S)


def is_test(path):
    name = os.path.basename(path)
    return (path.startswith("tests/") or "/testing/" in path or
            re.search(r"(_test|_fuzz|_benchmark|_test_util|_fixture)\.(cc|h)$", name) is not None or
            re.match(r"(test|fake)_", name) is not None)


def folder_of(path):
    """('dfdaemon', 'task') of dfdaemon/task/testing/fakes.h."""
    parts = path.split("/")
    return (parts[0], parts[1]) if len(parts) > 2 else (parts[0], "")


class Checker:
    def __init__(self, root):
        self.root = root
        self.problems = []
        self.files = {}  # path -> text of C++ files
        self.lists = {}  # folder -> text of its CMakeLists.txt
        self.edges = {}  # folder -> {folder it includes: first place}

    def problem(self, path, line, text):
        self.problems.append(f"{path}:{line}: {text}" if line else f"{path}: {text}")

    def read(self):
        for top in SOURCES:
            for directory, subfolders, names in os.walk(os.path.join(self.root, top)):
                subfolders[:] = sorted(s for s in subfolders if s != "__pycache__")
                for name in sorted(names):
                    full = os.path.join(directory, name)
                    path = os.path.relpath(full, self.root)
                    if os.path.getsize(full) > MAX_FILE_BYTES:
                        self.problem(path, 0, "larger than 1 MiB: make it when it is needed")
                    if name == "CMakeLists.txt":
                        self.lists[os.path.dirname(path)] = self.text(full)
                    elif name.endswith((".cc", ".h")):
                        self.files[path] = self.text(full)
                    elif name == "README.md" and top != "tests":
                        lines = self.text(full).count("\n")
                        if lines > MAX_README_LINES:
                            self.problem(path, 0, f"{lines} lines; {MAX_README_LINES} have to do")

    @staticmethod
    def text(full):
        with open(full, encoding="utf-8", errors="replace") as file:
            return file.read()

    def check_folders(self):
        for folder, text in self.lists.items():
            if "df_library(" in text and not os.path.exists(
                    os.path.join(self.root, folder, "README.md")):
                self.problem(folder, 0, "a capability without README.md")

    def check_file(self, path, text):
        test = is_test(path)
        lines = text.split("\n")
        limit = MAX_TEST_LINES if test else MAX_LINES
        if len(lines) > limit:
            self.problem(path, 0, f"{len(lines)} lines; {limit} is the limit")
        if path.endswith(".h") and "#pragma once" not in text:
            self.problem(path, 0, "a header without #pragma once")
        for number, line in enumerate(lines, 1):
            include = INCLUDE.match(line)
            if include:
                self.check_include(path, number, include.group(2), test)
        self.check_names(path, text, test)

    def check_names(self, path, text, test):
        # Texts may say anything; comments may not hold a TODO, code may not hold the rest.
        without_texts = TEXT.sub(lambda m: '""' + "\n" * m.group(0).count("\n"), text)
        for number, line in enumerate(without_texts.split("\n"), 1):
            code = COMMENT.sub("", line)
            for name, pattern, replacement, in_tests in BANNED:
                if (test and in_tests) or (path, name) in ALLOWED:
                    continue
                if re.search(pattern, line if name == "TODO" else code):
                    self.problem(path, number, f"{name}: use instead: {replacement}")
            literals = test and re.search(r"using namespace std::\w*_literals", code)
            if path.endswith(".h") and re.search(r"\busing namespace\b", code) and not literals:
                self.problem(path, number, "using namespace in a header")

    def check_include(self, path, line, target, test):
        program, folder = folder_of(path)
        if re.search(r"\.pb\.h$", target) or re.match(r"(grpcpp|grpc)/|google/protobuf/", target):
            if (folder not in RPC_FOLDERS and path not in RPC_FILES and
                    not path.startswith("tests/")):
                self.problem(path, line, f"{target}: messages and gRPC belong to folders named "
                             f"{', '.join(RPC_FOLDERS)}; convert at the edge")
            return
        other, other_folder = folder_of(target)
        if other not in SOURCES or "/" not in target or program == "tests":
            return
        if other == "tests":
            self.problem(path, line, f"{target}: nothing includes tests/")
            return
        if other != program and other in PROGRAMS:
            self.problem(path, line, f"{target}: {program} does not know {other}; they meet in proto/")
            return
        if not test and (is_test(target) or target.startswith("common/testing/")):
            self.problem(path, line, f"{target}: for tests only")
            return
        if (other, other_folder) == (program, folder) or test:
            return
        self.edges.setdefault((program, folder), {}).setdefault((other, other_folder),
                                                                f"{path}:{line}")
        if other == program and program in PROGRAMS:
            self.check_layer(path, line, program, folder, other_folder, target)

    def check_layer(self, path, line, program, folder, other, target):
        if folder == "app":
            return
        if other in ("app", "config", "stats"):
            self.problem(path, line, f"{target}: only app includes {other}")
        elif other in EDGES:
            # An edge declares what it counts; stats implements that.
            if not (folder == "stats" and target.endswith("_metrics.h")):
                self.problem(path, line, f"{target}: only app includes an edge")
        elif folder not in EDGES + ("config", "stats"):
            rank = RANKS[program].get
            if rank(other, 1) > rank(folder, 1):
                self.problem(path, line, f"{target}: {folder} stands below {other}")

    def check_cycles(self):
        state = {}

        def visit(folder, trail):
            state[folder] = "open"
            for other in sorted(self.edges.get(folder, {})):
                if state.get(other) == "open":
                    names = ["/".join(f) for f in trail[trail.index(other):] + [other]]
                    self.problem(self.edges[folder][other], 0, "cycle: " + " -> ".join(names))
                elif other not in state:
                    visit(other, trail + [other])
            state[folder] = "done"

        for folder in sorted(self.edges):
            if folder not in state:
                visit(folder, [folder])

    def check_listed(self):
        for path in self.files:
            if not path.endswith(".cc"):
                continue
            folder = os.path.dirname(path)
            above = folder
            while True:
                if above in self.lists and self.is_listed(self.lists[above],
                                                          os.path.relpath(path, above or ".")):
                    break
                if not above:
                    # The driver of corpora is named by common/cmake/Dragonfly.cmake.
                    if path != "tests/fuzz/corpus_main.cc":
                        self.problem(path, 0, "listed in no CMakeLists.txt: nobody compiles it")
                    break
                above = os.path.dirname(above)

    @staticmethod
    def is_listed(cmake, relative):
        for token in re.findall(r"[\w./${}@-]+\.cc\b", cmake):
            token = re.sub(r"\$\{(CMAKE_CURRENT_SOURCE_DIR)\}/", "", token)
            pattern = ".*".join(re.escape(part) for part in re.split(r"\$\{[^}]*\}", token))
            if re.fullmatch(pattern, relative):
                return True
        return False

    def run(self):
        self.read()
        self.check_folders()
        for path, text in self.files.items():
            self.check_file(path, text)
        self.check_cycles()
        self.check_listed()
        return self.problems


def main():
    problems = Checker(sys.argv[1] if len(sys.argv) > 1 else ".").run()
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
