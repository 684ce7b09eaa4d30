#pragma once

#include "ops/cli/exit_code.hpp"
#include "storage/model/error.hpp"

#include <boost/system/result.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::ops {

// Why a verb ends without its answer; shown on stderr as one block. `fields` are the errors of a refused body.
struct refusal {
    exit_code code = exit_code::configuration;
    std::string title;                                   // one sentence or name
    std::string detail{};                                // what was wrong and what to do; empty where the title says it all
    std::vector<field_error> fields{};
};

template <class T>
using outcome_of = boost::system::result<T, refusal>;

// Bad input: exit code 2.
refusal bad_input(std::string message);
// An answer that makes no sense: exit code 4.
refusal odd_reply(std::string message);

// The refusal in a reply of the server. `body` is application/problem+json; anything else is shown by its first line.
refusal refusal_of_reply(int status, std::string_view content_type, std::string_view body, std::string_view retry_after);

// "field: message (value)"; the value, which is JSON text, is left out where nothing was given and cut where it is long.
std::string field_line(const field_error& field);

// What result<T>::value() throws when there is none: a defect in the program.
[[noreturn]] void throw_exception_from_error(const refusal& r, const boost::source_location& where);

}
