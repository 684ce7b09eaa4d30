#pragma once

#include "storage/model/time.hpp"

#include <optional>
#include <string>

namespace rowlock::storage {

// What failures are picked by, errors and dead letters alike. Nothing given: all of a tenant's.
struct failure_filter {
    std::string job_id;                              // empty: any
    std::string error_code;                          // empty: any
    std::optional<timestamp> since{};                // recorded at or after
    std::optional<timestamp> until{};                // recorded before

    bool empty() const { return job_id.empty() && error_code.empty() && !since && !until; }
};

}
