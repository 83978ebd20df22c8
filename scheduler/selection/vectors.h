#pragma once

// Worked cases of the original scheduler, run with its versions 2.4.0 and 2.5.1:
// tests/golden/scheduling-vectors.json.

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "scheduler/swarm/states.h"

namespace dragonfly::scheduler {

using Json = nlohmann::json;

/// The cases of one kind; at least one.
inline std::vector<Json> CasesOf(const std::string& kind) {
  static const Json* const all = [] {
    const char* const folder = std::getenv("DF_TEST_DATA");
    std::ifstream file(std::string(folder == nullptr ? "." : folder) + "/scheduling-vectors.json");
    return new Json(Json::parse(file));
  }();
  std::vector<Json> cases;
  for (const Json& entry : all->at("cases")) {
    if (entry.at("kind") == kind) cases.push_back(entry);
  }
  EXPECT_FALSE(cases.empty()) << kind;
  return cases;
}

/// Some expectations differ by version; ours are those of `version` then.
inline Json ExpectedBy(const Json& entry, const std::string& version) {
  const Json& expect = entry.at("expect");
  return expect.contains(version) ? expect.at(version) : expect;
}

inline TaskState TaskStateNamed(const std::string& name) {
  using enum TaskState;
  for (const TaskState state : {kPending, kRunning, kSucceeded, kFailed, kLeave}) {
    if (Name(state) == name) return state;
  }
  ADD_FAILURE() << name;
  return kPending;
}

inline std::string Title(const Json& entry) {
  return entry.at("id").get<std::string>() + " " + entry.at("title").get<std::string>();
}

}  // namespace dragonfly::scheduler
