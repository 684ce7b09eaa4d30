#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace rowlock {

// The next {{ ... }} in a text at or behind `from`: where it stands, and what is between the braces without the blanks around it. Of more than two
// opening braces in a row the last two count, so {{{ x }}} is {{ x }} in braces.
struct braces {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::string_view inner;
};
std::optional<braces> next_braces(std::string_view text, std::size_t from = 0);

}
