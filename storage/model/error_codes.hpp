#pragma once

#include <span>
#include <string_view>

namespace rowlock {

// A code that Rowlock itself gives to what goes wrong. Codes are stable: definitions, filters and dashboards name them. Any other code is the
// job's own.
struct error_code_entry {
    std::string_view code;           // a family ends in <...>: "EXIT_<code>"
    std::string_view category;       // SCHEDULING, DEPENDENCY; of executions: TRANSIENT, PERMANENT, TIMEOUT, RESOURCE_EXHAUSTED, STATE_CORRUPTION, CANCELLED
    int http_status;                 // of the answer that refuses a request with it; 0: it is only recorded
    std::string_view meaning;
    std::string_view hint;           // what to do
};

// All of them: those of executions first, then the numbered ones by module.
std::span<const error_code_entry> all_error_codes();
// The entry of a code, or of its family; nullptr: it is none of Rowlock's.
const error_code_entry* find_error_code(std::string_view code);
// What to do about it; for a job's own code, where to look.
std::string_view hint_of(std::string_view code);

}
