#pragma once

#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>

namespace rowlock::test {

// The environment of a server that counts as dead soon, may run any program, and does not wait for what runs when it stops.
inline environment_map impatient()
{
    auto out = any_program();
    out.emplace("ROWLOCK_LEASE_SECONDS", "2");
    out.emplace("ROWLOCK_GRACEFUL_TIMEOUT_SECONDS", "0");
    return out;
}

// A handler that ends by itself only when the file is there, so that a test decides who finishes it.
inline boost::json::object gated_by(const std::string& file)
{
    return {{"type", "process"}, {"command", boost::json::array{"/bin/sh", "-c", "while ! test -e " + file + "; do sleep 0.05; done"}}, {"grace_seconds", 0}};
}

}
