// Compares our generated descriptors with the recorded contract, both ways: everything recorded is
// there with the same number, type and presence, and nothing else is.

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/rpc/pb.h"
#include "dfdaemon.pb.h"
#include "errordetails.pb.h"
#include "manager.pb.h"
#include "scheduler.pb.h"

namespace dragonfly {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using nlohmann::json;

std::string TypeName(const FieldDescriptor& field) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_MESSAGE:
      return field.message_type()->full_name();
    case FieldDescriptor::TYPE_ENUM:
      return field.enum_type()->full_name();
    default:
      return field.type_name();
  }
}

// One field as the recording writes it; flags that are false are left out.
json Describe(const FieldDescriptor& field) {
  json result = {{"number", field.number()}, {"name", field.name()}, {"type", TypeName(field)}};
  if (field.is_repeated()) result["repeated"] = true;
  if (field.has_optional_keyword()) result["optional"] = true;
  if (field.real_containing_oneof() != nullptr) {
    result["oneof"] = field.real_containing_oneof()->name();
  }
  return result;
}

json Describe(const EnumDescriptor& type) {
  json result = json::object();
  for (int i = 0; i < type.value_count(); ++i) {
    result[type.value(i)->name()] = type.value(i)->number();
  }
  return result;
}

json Describe(const MethodDescriptor& method) {
  return {{"request", method.input_type()->full_name()},
          {"response", method.output_type()->full_name()},
          {"client_streaming", method.client_streaming()},
          {"server_streaming", method.server_streaming()}};
}

void DescribeMessage(const Descriptor& type, const std::string& name, json& messages) {
  json fields = json::array();
  for (int i = 0; i < type.field_count(); ++i) fields.push_back(Describe(*type.field(i)));
  messages[name] = std::move(fields);
  for (int i = 0; i < type.nested_type_count(); ++i) {
    DescribeMessage(*type.nested_type(i), name + "." + type.nested_type(i)->name(), messages);
  }
}

json Describe(const FileDescriptor& file) {
  json result = {{"package", file.package()},
                 {"services", json::object()},
                 {"enums", json::object()},
                 {"messages", json::object()}};
  for (int i = 0; i < file.service_count(); ++i) {
    const ServiceDescriptor& service = *file.service(i);
    json methods = json::object();
    for (int m = 0; m < service.method_count(); ++m) {
      methods[service.method(m)->name()] = Describe(*service.method(m));
    }
    result["services"][service.name()] = std::move(methods);
  }
  for (int i = 0; i < file.enum_type_count(); ++i) {
    result["enums"][file.enum_type(i)->name()] = Describe(*file.enum_type(i));
  }
  for (int i = 0; i < file.message_type_count(); ++i) {
    DescribeMessage(*file.message_type(i), file.message_type(i)->name(), result["messages"]);
  }
  return result;
}

// "until" says which API was the last to have a method; descriptors know nothing of it. Order of
// fields in a file does not reach the wire.
void Normalize(json& file) {
  for (auto& [service_name, methods] : file["services"].items()) {
    for (auto& [method_name, method] : methods.items()) method.erase("until");
  }
  for (auto& [name, fields] : file["messages"].items()) {
    std::sort(fields.begin(), fields.end(),
              [](const json& a, const json& b) { return a["number"] < b["number"]; });
  }
}

class ProtoDescriptorsTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* data = std::getenv("DF_TEST_DATA");
    ASSERT_NE(data, nullptr);
    std::ifstream in(std::string(data) + "/wire-api.json");
    ASSERT_TRUE(in.good());
    recorded_ = json::parse(in).at("files");
    files_ = {
        {"common.proto", pb::common::Task::descriptor()->file()},
        {"dfdaemon.proto", pb::dfdaemon::SyncHostRequest::descriptor()->file()},
        {"errordetails.proto", pb::errordetails::Backend::descriptor()->file()},
        {"manager.proto", pb::manager::Scheduler::descriptor()->file()},
        {"scheduler.proto", pb::scheduler::ListHostsRequest::descriptor()->file()},
    };
  }

  json recorded_;
  std::map<std::string, const FileDescriptor*> files_;
};

TEST_F(ProtoDescriptorsTest, HasExactlyTheRecordedFiles) {
  std::set<std::string> recorded;
  for (const auto& [name, file] : recorded_.items()) recorded.insert(name);
  std::set<std::string> ours;
  for (const auto& [name, descriptor] : files_) ours.insert(descriptor->name());
  EXPECT_EQ(ours, recorded);
}

TEST_F(ProtoDescriptorsTest, AgreesWithTheRecordedContractInEveryFieldAndMethod) {
  int fields = 0;
  int methods = 0;
  for (const auto& [name, descriptor] : files_) {
    json expected = recorded_.at(name);
    json actual = Describe(*descriptor);
    Normalize(expected);
    Normalize(actual);
    for (const auto& [message, list] : expected["messages"].items()) {
      fields += static_cast<int>(list.size());
    }
    for (const auto& [service, list] : expected["services"].items()) {
      methods += static_cast<int>(list.size());
    }
    // A JSON patch names exactly the entries that differ.
    EXPECT_EQ(actual, expected) << name << ": " << json::diff(expected, actual).dump(1);
  }
  EXPECT_EQ(fields, 898);
  EXPECT_EQ(methods, 89);
}

TEST_F(ProtoDescriptorsTest, KeepsRetiredNumbersReserved) {
  const Descriptor& download = *pb::common::Download::descriptor();
  EXPECT_TRUE(download.IsReservedNumber(21));
  EXPECT_FALSE(download.IsReservedNumber(22));
  const Descriptor& network = *pb::common::Network::descriptor();
  for (int number : {5, 6, 7, 8}) EXPECT_TRUE(network.IsReservedNumber(number)) << number;
  EXPECT_TRUE(pb::dfdaemon::StatTaskRequest::descriptor()->IsReservedNumber(3));
  EXPECT_TRUE(pb::scheduler::DownloadPeerFinishedRequest::descriptor()->IsReservedNumber(1));
  EXPECT_TRUE(pb::scheduler::DownloadPeerFinishedRequest::descriptor()->IsReservedNumber(2));
}

}  // namespace
}  // namespace dragonfly
