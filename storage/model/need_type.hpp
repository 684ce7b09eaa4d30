#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace rowlock {

// What must have become of an upstream for what depends on it to go on: a node of a plan or another job (spec D1, J4). The codes are those of
// compiled edges, and so of the database.
enum class need_type : std::uint8_t {
    success = 1,                                     // the upstream succeeded
    completion = 2,                                  // it ended, however
    data_ready = 3,                                  // it succeeded and has outputs
};

inline constexpr std::array<std::string_view, 3> need_type_names{"SUCCESS", "COMPLETION", "DATA_READY"};
std::string_view name_of(need_type type);
// `name` is one of need_type_names.
need_type need_type_of(std::string_view name);

}
