#pragma once

#include <string_view>
#include <vector>

namespace rowlock::storage {

// One file of migrations/, embedded by the build.
struct migration {
    int number;
    std::string_view name;
    std::string_view text;
};

// In the order of their numbers, without gaps.
const std::vector<migration>& all_migrations();

}
