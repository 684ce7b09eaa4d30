#pragma once

#include "ops/cli/output.hpp"
#include "ops/cli/table.hpp"
#include "ops/config/load.hpp"

#include <boost/json/array.hpp>
#include <string>

namespace rowlock::ops {

// [{"name", "value", "source", "type", "default", "range", "meaning"}], one for each setting, in the order of the table; secrets masked.
boost::json::array describe_settings(const loaded_settings& loaded);
// The same for people.
table tabulate_settings(const loaded_settings& loaded);

// What `rowlock config` prints. Ends in a newline.
std::string render_config(const loaded_settings& loaded, output_format format, const terminal_style& style = {});

}
