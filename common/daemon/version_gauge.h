#pragma once

#include <string>

namespace prometheus {
class Registry;
}

namespace dragonfly {

/// A gauge that is always 1 and whose labels say what this build is, as the original has it; labels
/// about a Go build are `unknown`.
void AddVersionGauge(prometheus::Registry& registry, const std::string& name);

}  // namespace dragonfly
