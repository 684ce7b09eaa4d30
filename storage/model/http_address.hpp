#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rowlock {

// Addresses in definitions. They may take parts from templates, {{ parameters.x }}, so only what stands there already can be checked when a
// job is defined; the rest is checked when it is called. All pure.

// Why `url` can never be called; empty: it may be.
std::string refusal_of_url(std::string_view url);
// The same of an address that may also be a path, /jobs/1, at the host of another one.
std::string refusal_of_url_or_path(std::string_view url);

// "example.org:443": the host in lower case, and the port, the scheme's own where none is written. None where either comes from a template.
std::optional<std::string> written_target(std::string_view url);

}
