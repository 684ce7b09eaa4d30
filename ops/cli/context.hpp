#pragma once

#include "ops/cli/api_client.hpp"
#include "ops/cli/exit_code.hpp"
#include "ops/cli/output.hpp"

#include <functional>
#include <memory>
#include <string>

namespace rowlock::ops {

inline constexpr const char* default_url = "http://127.0.0.1:7575";

// The options that every verb takes, before or after its name.
struct global_options {
    std::string url = default_url;           // --url, ROWLOCK_URL
    std::string token{};                     // --token, ROWLOCK_TOKEN
    std::string tenant{};                    // --tenant
    std::string format = "human";            // --format
    bool no_color = false;
    bool quiet = false;
};

// What a verb needs. One a run of the program; verbs keep references to it.
struct context {
    context(std::ostream& out, std::ostream& err) : screen(out, err) {}

    // The server's routes, over one connection. Made at first use, from the options.
    api_client& api()
    {
        if (!api_) api_ = std::make_unique<api_client>(server_access{options.url, options.token, options.tenant});
        return *api_;
    }

    // Shows why a verb ends, and gives the exit code of it.
    exit_code fail(const refusal& r)
    {
        screen.report(r);
        return r.code;
    }

    global_options options{};
    output screen;
    // Set by the verb that stands on the command line; run when the whole line has been read.
    std::function<exit_code()> chosen{};

private:
    std::unique_ptr<api_client> api_{};
};

}
