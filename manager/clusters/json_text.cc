#include "manager/clusters/json_text.h"

namespace dragonfly::manager {
namespace {

using Json = nlohmann::json;

/// Reads without building anything, and stops at the first value that is too deep.
class DepthCheck final : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool key(string_t&) override { return true; }
  bool start_object(std::size_t) override { return ++depth_ <= kMaxJsonDepth; }
  bool end_object() override { return Up(); }
  bool start_array(std::size_t) override { return ++depth_ <= kMaxJsonDepth; }
  bool end_array() override { return Up(); }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) override {
    return false;
  }

 private:
  bool Up() {
    --depth_;
    return true;
  }
  int depth_ = 0;
};

}  // namespace

Json ParseJsonText(std::string_view text) {
  DepthCheck check;
  if (text.size() > kMaxJsonBytes || !Json::sax_parse(text, &check)) {
    return Json(Json::value_t::discarded);
  }
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

}  // namespace dragonfly::manager
