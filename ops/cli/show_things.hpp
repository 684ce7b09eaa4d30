#pragma once

#include "ops/cli/context.hpp"

#include <boost/json/fwd.hpp>

namespace rowlock::ops {

// What verbs that list, show and set things of one sort print: a table for people, else the document. `show` makes the table.
using show_table = exit_code (*)(context& c, const boost::json::array& things);

// Every one of a list of the API.
exit_code list_things(context& c, const target& at, show_table show);
// One, as it is or as it has become.
exit_code show_thing(context& c, const outcome_of<api_reply>& reply, show_table show);

}
