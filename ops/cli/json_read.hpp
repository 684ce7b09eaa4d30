#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace rowlock::ops {

// Looking into replies. `path` names members with dots between them: "result.error_code". What is not there, or is of another kind,
// is nullptr, nullopt or "".

const boost::json::value* member_at(const boost::json::value& value, std::string_view path);
const boost::json::array* array_at(const boost::json::value& value, std::string_view path);
// Strings as they are, null as "", everything else as compact JSON text.
std::string text_at(const boost::json::value& value, std::string_view path);
std::optional<double> number_at(const boost::json::value& value, std::string_view path);
bool flag_at(const boost::json::value& value, std::string_view path);

}
