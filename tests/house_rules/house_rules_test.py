"""Every rule finds what it is made for, and leaves good code alone."""

import os
import tempfile
import unittest

from house_rules import Checker

GOOD = {
    "dfdaemon/task/CMakeLists.txt": "df_library(dfdaemon_task SRCS a.cc)",
    "dfdaemon/task/README.md": "# dfdaemon/task\n",
    "dfdaemon/task/a.h": "#pragma once\n",
    "dfdaemon/task/a.cc": '#include "dfdaemon/task/a.h"\n#include "dfdaemon/storage/s.h"\n',
    "dfdaemon/storage/s.h": "#pragma once\n",
}


class HouseRulesTest(unittest.TestCase):
    def problems(self, files):
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**GOOD, **files}.items():
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "w", encoding="utf-8") as file:
                    file.write(text)
            return Checker(root).run()

    def assert_one(self, files, text):
        problems = self.problems(files)
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(text, problems[0])

    def test_good_code_passes(self):
        self.assertEqual(self.problems({}), [])

    def test_layers(self):
        h = "#pragma once\n"
        for source, target, text in (
                ("dfdaemon/storage/b.h", "dfdaemon/gc/g.h", "storage stands below gc"),
                ("dfdaemon/task/b.h", "dfdaemon/rpc/r.h", "only app includes an edge"),
                ("dfdaemon/proxy/b.h", "dfdaemon/rpc/r.h", "only app includes an edge"),
                ("dfdaemon/task/b.h", "dfdaemon/config/c.h", "only app includes config"),
                ("scheduler/swarm/b.h", "dfdaemon/storage/s.h", "scheduler does not know dfdaemon"),
                ("common/ids/b.h", "dfdaemon/storage/s.h", "common does not know dfdaemon"),
                ("dfdaemon/task/b.h", "common/testing/t.h", "for tests only"),
                ("dfdaemon/task/b.h", "dfdaemon/storage/fake_s.h", "for tests only"),
                ("dfdaemon/task/b.h", "grpcpp/grpcpp.h", "convert at the edge"),
                ("manager/database/b.h", "manager.pb.h", "convert at the edge")):
            with self.subTest(source=source, target=target):
                self.assert_one({source: f'{h}#include "{target}"\n'}, text)

    def test_allowed_includes(self):
        h = "#pragma once\n"
        for source, target in (
                ("dfdaemon/app/b.h", "dfdaemon/rpc/r.h"),
                ("dfdaemon/stats/b.h", "dfdaemon/rpc/rpc_metrics.h"),
                ("dfdaemon/cluster/b.h", "dfdaemon.grpc.pb.h"),
                ("dfdaemon/storage/fake_b.h", "common/testing/t.h"),
                ("dfdaemon/config/b.h", "dfdaemon/task/a.h")):
            with self.subTest(source=source, target=target):
                self.assertEqual(self.problems({source: f'{h}#include "{target}"\n'}), [])

    def test_cycle(self):
        h = "#pragma once\n"
        self.assert_one({"scheduler/selection/a.h": h + '#include "scheduler/seeding/b.h"\n',
                         "scheduler/seeding/b.h": h + '#include "scheduler/selection/a.h"\n'},
                        "cycle: scheduler/seeding -> scheduler/selection -> scheduler/seeding")

    def test_names(self):
        for line, text in (("std::this_thread::sleep_for(x);", "sleep_for"),
                           ("std::regex r;", "std::regex"),
                           ("co_spawn(e, f(), asio::detached);", "asio::detached"),
                           ("int x = rand();", "rand"),
                           ("std::mutex m;", "std::mutex"),
                           ("std::thread(f).detach();", "detach"),
                           ("// TODO: later", "TODO"),
                           ("using namespace std;", "using namespace")):
            with self.subTest(line=line):
                self.assert_one({"dfdaemon/task/b.h": f"#pragma once\n{line}\n"}, text)

    def test_names_in_texts_and_comments_pass(self):
        self.assertEqual(self.problems({"dfdaemon/task/b.h": (
            '#pragma once\n// no sleep_for here\nauto x = "std::regex rand(";\n'
            "// TODO(#12): with a number\nint operand(int);\nint y = operand(1);\n")}), [])

    def test_length(self):
        self.assert_one({"dfdaemon/task/b.h": "#pragma once\n" + "\n" * 500}, "500 is the limit")

    def test_unlisted_source(self):
        self.assert_one({"dfdaemon/task/b.cc": ""}, "nobody compiles it")

    def test_listed_by_a_pattern(self):
        self.assertEqual(self.problems({
            "dfdaemon/task/b.cc": "",
            "dfdaemon/CMakeLists.txt": "df_test(x SRCS task/${name}.cc)"}), [])

    def test_missing_readme_and_pragma(self):
        self.assert_one({"dfdaemon/gc/CMakeLists.txt": "df_library(x HDRS g.h)"}, "without README.md")
        self.assert_one({"dfdaemon/task/b.h": "\n"}, "#pragma once")


if __name__ == "__main__":
    unittest.main()
