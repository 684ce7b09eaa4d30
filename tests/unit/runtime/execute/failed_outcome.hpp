#pragma once

#include "storage/model/execution.hpp"

#include <optional>
#include <string>
#include <utility>

namespace rowlock::test {

inline constexpr double middle = 0.5;      // of a uniform number: leaves PLUS_MINUS as it is

inline outcome failed(std::string code, std::optional<int> exit_code = {}, std::string message = {})
{
    outcome o;
    o.status = execution_status::failed;
    o.error_code = std::move(code);
    o.exit_code = exit_code;
    o.error_message = std::move(message);
    return o;
}

}
