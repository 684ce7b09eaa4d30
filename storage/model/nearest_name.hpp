#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock {

// The one of `known` that is fewest insertions, deletions, replacements and swaps of neighbours away from `given`; nullopt where even that is
// more than a third of its length (at least one) away. Pure.
std::optional<std::string> nearest_name(std::string_view given, const std::vector<std::string>& known);

}
