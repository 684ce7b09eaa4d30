#include "runtime/handlers/failure.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <stdexcept>
#include <utility>

namespace rowlock::runtime {

outcome failed(failure why)
{
    outcome o;
    o.status = execution_status::failed;
    o.error_code = std::move(why.code);
    o.error_message = std::move(why.message);
    return o;
}

failure invalid_config(std::string message)
{
    return {"INVALID_CONFIG", std::move(message)};
}

failure permission_denied(std::string message)
{
    return {"PERMISSION_DENIED", std::move(message)};
}

std::string with_fields(const error& e)
{
    constexpr std::size_t most = 10;
    std::string text = e.detail;
    for (std::size_t i = 0; i < std::min(e.fields.size(), most); ++i) {
        text += fmt::format("{} {} {}", i == 0 ? "" : ";", e.fields[i].field, e.fields[i].message);
        if (!e.fields[i].value.empty()) text += fmt::format(" (given: {})", e.fields[i].value);
    }
    if (e.fields.size() > most) text += fmt::format("; and {} more", e.fields.size() - most);
    return text;
}

void throw_exception_from_error(const failure& why, const boost::source_location&)
{
    throw std::logic_error("a failure was taken for a value: " + why.message);
}

}
