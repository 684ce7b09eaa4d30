#pragma once

#include "ops/cli/refusal.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::ops {

// The words of a command, parted by blanks; '...' and "..." hold blanks together. {{ name }} is replaced by its value, which stays one word
// whatever is in it. Nothing else has a meaning: no shell sees it. Refused: an open quote, a name that `values` does not have, no word at all. Pure.
outcome_of<std::vector<std::string>> command_words(std::string_view command, const std::map<std::string, std::string, std::less<>>& values);

}
