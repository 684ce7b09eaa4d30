#pragma once

#include <boost/json/value.hpp>
#include <string>

namespace rowlock::ops {

// `value` as a YAML document in block style, ends in a newline. Text that a reader could take for something else is quoted, so that
// parse_yaml(to_yaml_text(v)) is v.
std::string to_yaml_text(const boost::json::value& value);

}
