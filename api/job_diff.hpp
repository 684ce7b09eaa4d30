#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <vector>

namespace rowlock::api {

// One difference between two definitions: a path as in retry_policy.max_attempts, and the values as JSON text ("" = there is none).
struct change {
    std::string field;
    std::string before;
    std::string after;
    bool operator==(const change&) const = default;
};

// What a new definition would change. Objects are compared member by member, everything else as a whole. `before` null: everything is
// new. Members that the server itself adds (version, times, author, reason) are left out. Pure.
std::vector<change> differences(const boost::json::value& before, const boost::json::value& after);

}
