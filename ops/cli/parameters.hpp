#pragma once

#include "ops/cli/refusal.hpp"

#include <boost/json/object.hpp>
#include <string>
#include <vector>

namespace rowlock::ops {

// The parameters of a submission: the JSON object of --parameters (`whole`: its text, or @FILE, or @- for stdin; "" = none), over which each
// `-p k=v` of `pairs` is laid, the last one of a name counting. v is JSON where it parses as JSON, else text: n=1 is a number, n='"1"' text.
outcome_of<boost::json::object> read_parameters(const std::string& whole, const std::vector<std::string>& pairs);

// `--tag k=v` as an object of texts.
outcome_of<boost::json::object> read_tags(const std::vector<std::string>& pairs);

// A whole file, or stdin for "-". At most `most` bytes.
outcome_of<std::string> read_text_file(const std::string& path, std::size_t most = 32u << 20);

}
