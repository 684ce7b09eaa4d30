#pragma once

#include "storage/model/time.hpp"
#include "storage/optional_text.hpp"

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

// The filter as the parameters of a statement, null for what is not given. It must not outlive the filter.
struct failure_columns {
    explicit failure_columns(const failure_filter& f)
        : what(f), since(f.since ? to_rfc3339(*f.since) : std::string()), until(f.until ? to_rfc3339(*f.until) : std::string())
    {
    }

    const char* job_id() const { return or_null(what.job_id); }
    const char* error_code() const { return or_null(what.error_code); }

    const failure_filter& what;
    std::string since;
    std::string until;
};

}
