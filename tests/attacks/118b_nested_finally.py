# expect: load
"""finally in finally doubles the compiled code each time."""


def process_client_phone(request):
    try:
        x = 1
    finally:
        try:
            x = 1
        finally:
            try:
                x = 1
            finally:
                try:
                    x = 1
                finally:
                    try:
                        x = 1
                    finally:
                        try:
                            x = 1
                        finally:
                            try:
                                x = 1
                            finally:
                                try:
                                    x = 1
                                finally:
                                    try:
                                        x = 1
                                    finally:
                                        try:
                                            x = 1
                                        finally:
                                            try:
                                                x = 1
                                            finally:
                                                try:
                                                    x = 1
                                                finally:
                                                    try:
                                                        x = 1
                                                    finally:
                                                        try:
                                                            x = 1
                                                        finally:
                                                            try:
                                                                x = 1
                                                            finally:
                                                                try:
                                                                    x = 1
                                                                finally:
                                                                    try:
                                                                        x = 1
                                                                    finally:
                                                                        try:
                                                                            x = 1
                                                                        finally:
                                                                            x = 2
    return None
