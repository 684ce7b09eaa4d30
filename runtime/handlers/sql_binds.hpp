#pragma once

#include "runtime/handlers/failure.hpp"

#include <optional>
#include <string>
#include <vector>

namespace rowlock::runtime {

// One parameter of a statement, in PostgreSQL's text format.
struct sql_bind {
    unsigned int type = 0;                           // an OID; 0: PostgreSQL takes the type from where the parameter stands
    std::optional<std::string> text{};               // none: NULL

    bool operator==(const sql_bind&) const = default;
};

// The values of what a statement names (sql_statement::binds). Each is what the same literal would be in its place: a string has the type that
// its place asks for, as a quoted literal has, and so has null; an integer is an integer, or a bigint where it needs one; any other
// number is numeric; an object or array is jsonb. Fails with INVALID_CONFIG where a parameter is not there. Pure.
attempted<std::vector<sql_bind>> sql_binds_of(const std::vector<std::string>& names, const assignment& work);

}
