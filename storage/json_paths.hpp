#pragma once

#include "storage/model/error.hpp"
#include "storage/session.hpp"

#include <optional>
#include <string>

namespace rowlock::storage {

// SQL/JSON paths of definitions, as PostgreSQL understands them.

// Why `path` is none, in PostgreSQL's words; nullopt: it is one.
std::optional<std::string> refusal_of_path(session& s, const std::string& path);

struct path_answers {
    std::optional<bool> success{};                   // none: it was not asked, or has no boolean answer
    std::optional<bool> failure{};
    std::optional<double> progress{};                // a number from 0 to 1
};
// Asks a JSON text all of it in one statement; an empty path is not asked. Error invalid_request: what is asked, or of what, cannot be taken.
result<path_answers> ask_json(session& s, const std::string& json, const std::string& success, const std::string& failure, const std::string& progress);

}
