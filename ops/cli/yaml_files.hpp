#pragma once

#include "ops/cli/refusal.hpp"

#include <string>
#include <vector>

namespace rowlock::ops {

// What a FILE argument stands for: itself ("-" is stdin); of a directory every file in it and below whose name ends in .yaml or .yml, by name,
// without those in hidden folders and hidden ones themselves. Refused: a directory without such a file, or one that cannot be read.
outcome_of<std::vector<std::string>> yaml_files_of(const std::string& argument);

}
