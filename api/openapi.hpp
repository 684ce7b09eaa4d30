#pragma once

#include <string>
#include <string_view>

namespace rowlock::api {

// api/openapi.yaml as it was built in.
extern const std::string_view openapi_yaml;

// YAML as JSON text, for documents of our own: a tree without tags. Throws YAML::Exception.
std::string json_of_yaml(std::string_view yaml);

}
