plugins {
    alias(libs.plugins.android.application)
}

/** Maven coordinates of a chip maker's libraries for LiteRT; see README, "What an NPU needs". */
val npuRuntime = providers.gradleProperty("npuRuntime")

android {
    namespace = "dev.mvpose.demo"
    compileSdk = 36

    defaultConfig {
        applicationId = "dev.mvpose.demo"
        minSdk = 24
        targetSdk = 36
        versionCode = 1
        versionName = "1.0"
        manifestPlaceholders["litertVersion"] = libs.versions.litert.get()
        ndk {
            abiFilters += listOf("arm64-v8a", "x86_64")
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    androidResources {
        // LiteRT maps a model out of the APK, which a compressed entry does not allow.
        noCompress += "tflite"
    }

    packaging {
        jniLibs {
            // Uncompressed and aligned to 16 KB, so that every page size can map them; but LiteRT
            // looks for an NPU's libraries in a folder, into which Android unpacks them.
            useLegacyPackaging = npuRuntime.isPresent
        }
    }
}

dependencies {
    implementation(project(":core"))
    implementation(libs.androidx.activity)
    implementation(libs.androidx.core)
    implementation(libs.camera.camera2)
    implementation(libs.camera.core)
    implementation(libs.camera.lifecycle)
    implementation(libs.camera.view)
    implementation(libs.litert)
    // Without this second library the GPU is not even tried.
    implementation(libs.litert.gpu)
    npuRuntime.orNull?.let { implementation(it) }
}
