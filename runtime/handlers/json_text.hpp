#pragma once

#include <boost/json/value.hpp>

namespace rowlock::runtime {

// Whether U+0000 stands in any string or name of `value`. PostgreSQL keeps no such text, so it must not get into a result. Pure.
bool holds_nul(const boost::json::value& value);

}
