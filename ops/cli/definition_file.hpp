#pragma once

#include "ops/cli/refusal.hpp"
#include "ops/cli/yaml_json.hpp"

#include <boost/json/object.hpp>
#include <string>
#include <vector>

namespace rowlock::ops {

// One job definition in a file.
struct definition {
    std::string file;
    std::string job_id;
    boost::json::object body;
    yaml_document document;                  // for the lines; its value has moved into `body`

    // "job.yaml:3: timeout_seconds: must be positive (-1)".
    std::string complaint(const field_error& field) const;
};

// The definitions of all files in the order given, with everything that is wrong with them: files that cannot be read, YAML errors,
// documents that are no map or have no usable job_id, two definitions of the same job.
struct definition_set {
    std::vector<definition> definitions;
    std::vector<std::string> complaints;
};
definition_set load_definitions(const std::vector<std::string>& files);

// The same for the text of one file.
definition_set read_definitions(const std::string& file, std::string_view text);

}
