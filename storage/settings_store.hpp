#pragma once

#include "storage/session.hpp"

#include <string>
#include <utility>
#include <vector>

namespace rowlock::storage {

// A setting by its documented name, with its value in the unit of that name.
using told_setting = std::pair<std::string, std::string>;

// Tells the database what its functions must know of how this server is set (0016). The latest to tell rules.
void tell_settings(session& s, const std::vector<told_setting>& settings);

}
